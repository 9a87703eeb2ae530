package input

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

const (
	mostKeysDown = 32 // people have fewer fingers
	buttons      = 8
)

// Device is the X server's pointer and keyboard, moved through the XTEST extension.
type Device struct {
	conn *xgb.Conn
	root xproto.Window

	mu       sync.Mutex // guards all below
	keys     *keymap
	down     map[uint32]byte // keysym -> keycode that was pressed for it
	pressed  uint32          // buttons held
	last     string
	lastTime time.Time
}

// Open connects to an X server.
func Open(display string) (*Device, error) {
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("connect to the X server %s: %w", display, err)
	}
	d := &Device{conn: conn, down: map[uint32]byte{}}
	if err := d.open(); err != nil {
		conn.Close()
		return nil, err
	}
	return d, nil
}

func (d *Device) open() error {
	if err := xtest.Init(d.conn); err != nil {
		return fmt.Errorf("the X server has no XTEST extension: %w", err)
	}
	setup := xproto.Setup(d.conn)
	d.root = setup.DefaultScreen(d.conn).Root
	count := byte(setup.MaxKeycode - setup.MinKeycode + 1)
	reply, err := xproto.GetKeyboardMapping(d.conn, setup.MinKeycode, count).Reply()
	if err != nil {
		return fmt.Errorf("read the keyboard's layout: %w", err)
	}
	symbols := make([]uint32, len(reply.Keysyms))
	for i, s := range reply.Keysyms {
		symbols[i] = uint32(s)
	}
	d.keys = newKeymap(byte(setup.MinKeycode), int(reply.KeysymsPerKeycode), symbols, func(code byte, keysym uint32) error {
		return xproto.ChangeKeyboardMappingChecked(d.conn, 1, xproto.Keycode(code), 1, []xproto.Keysym{xproto.Keysym(keysym)}).Check()
	})
	return nil
}

// Do carries out one message of the data channel.
func (d *Device) Do(text string) error {
	m, err := Parse(text)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch m.Kind {
	case KeyDown:
		err = d.keyDown(m.Keysym)
	case KeyUp:
		d.keyUp(m.Keysym)
	case KeyReset:
		d.releaseKeys()
	case Pointer:
		d.pointer(m)
	case Other:
		return nil
	}
	d.last, d.lastTime = clip(text), time.Now()
	return err
}

func (d *Device) keyDown(keysym uint32) error {
	if _, held := d.down[keysym]; !held && len(d.down) >= mostKeysDown {
		return fmt.Errorf("keysym %#x: %d keys are held already", keysym, mostKeysDown)
	}
	code, shift, either, err := d.keys.find(keysym)
	if err != nil {
		return err
	}
	// The client sends Shift as a key of its own; only where its layout and ours differ
	// must the state be lent for the moment of the press.
	held := d.shiftHeld()
	lend := !either && shift != held
	if lend {
		d.setShift(shift)
	}
	d.fake(xproto.KeyPress, code)
	if lend {
		d.setShift(held)
	}
	d.down[keysym] = code
	return nil
}

func (d *Device) keyUp(keysym uint32) {
	if code, ok := d.down[keysym]; ok {
		delete(d.down, keysym)
		d.fake(xproto.KeyRelease, code)
	}
}

func (d *Device) shiftHeld() bool {
	_, left := d.down[shiftLeft]
	_, right := d.down[shiftRight]
	return left || right
}

// setShift presses Shift, or releases each Shift key that is held (and presses it again).
func (d *Device) setShift(on bool) {
	kind := byte(xproto.KeyRelease)
	if on {
		kind = xproto.KeyPress
	}
	touched := false
	for _, keysym := range []uint32{shiftLeft, shiftRight} {
		if code, ok := d.down[keysym]; ok {
			d.fake(kind, code)
			touched = true
		}
	}
	if !touched {
		if code, _, _, err := d.keys.find(shiftLeft); err == nil {
			d.fake(kind, code)
		}
	}
}

func (d *Device) pointer(m Message) {
	relative := byte(0)
	if m.Relative {
		relative = 1
	}
	xtest.FakeInput(d.conn, xproto.MotionNotify, relative, 0, d.root, int16(m.X), int16(m.Y), 0)
	for i := range buttons {
		bit := uint32(1) << i
		button := byte(i + 1)
		switch {
		case m.Buttons&bit != 0 && d.pressed&bit == 0:
			d.fake(xproto.ButtonPress, button)
			if button == 4 || button == 5 { // the wheel: one click a step
				for range m.Scroll - 1 {
					d.fake(xproto.ButtonRelease, button)
					d.fake(xproto.ButtonPress, button)
				}
			}
		case m.Buttons&bit == 0 && d.pressed&bit != 0:
			d.fake(xproto.ButtonRelease, button)
		}
	}
	d.pressed = m.Buttons
}

func (d *Device) fake(kind, detail byte) {
	xtest.FakeInput(d.conn, kind, detail, 0, d.root, 0, 0, 0)
}

func (d *Device) releaseKeys() {
	for _, keysym := range slices.Sorted(maps.Keys(d.down)) {
		d.keyUp(keysym)
	}
}

// Release lets go of every key and button: the visitor has left.
func (d *Device) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.releaseKeys()
	for i := range buttons {
		if d.pressed&(1<<i) != 0 {
			d.fake(xproto.ButtonRelease, byte(i+1))
		}
	}
	d.pressed = 0
	d.conn.Sync()
}

// Position asks the X server where the pointer is.
func (d *Device) Position() (x, y int, err error) {
	reply, err := xproto.QueryPointer(d.conn, d.root).Reply()
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the pointer's position: %w", err)
	}
	return int(reply.RootX), int(reply.RootY), nil
}

// Last is the newest message that was acted on, shortened, and its time; zero before any.
func (d *Device) Last() (string, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last, d.lastTime
}

// Close ends the connection to the X server.
func (d *Device) Close() { d.conn.Close() }
