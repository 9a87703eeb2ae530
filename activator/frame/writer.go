package frame

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// WriteWithin is how long a peer may take to read what is written at once.
	WriteWithin = 15 * time.Second
	// maxWaiting bounds the frames that wait for the end of what is being passed, in
	// bytes.
	maxWaiting = 128 << 10
	// maxControlWaiting bounds the control frames among them.
	maxControlWaiting = 4 << 10
)

// WriteError is a failure of the side that is written to.
type WriteError struct{ Err error }

// Error implements error.
func (e *WriteError) Error() string { return "writing: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *WriteError) Unwrap() error { return e.Err }

var (
	errBacklog = errors.New("too much waits for the end of a long message")
	errBroken  = errors.New("an earlier write ended within a frame")
)

// Writer writes one side's frames. Any goroutine may use it; complete frames and
// passed bytes never mix.
type Writer struct {
	conn  net.Conn
	masks bool

	// writing is a lock for one writer: a channel, because a write may take long.
	writing chan struct{}
	// mid and open say that what was passed ended within a frame, or a message;
	// broken, that a write failed there. writing guards them.
	mid, open, broken bool
	// control and data are frames that wait for the end of either.
	control, data []byte

	mu  sync.Mutex
	cut time.Time
}

// NewWriter writes to conn; masks says that we are its client.
func NewWriter(conn net.Conn, masks bool) *Writer {
	return &Writer{conn: Bare(conn), masks: masks, writing: make(chan struct{}, 1)}
}

// CutOff lets writing fail after a while, now and from then on.
func (w *Writer) CutOff(after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = time.Now().Add(after)
	_ = w.conn.SetWriteDeadline(w.cut)
}

// extend sets the next write's deadline.
func (w *Writer) extend() {
	until := time.Now().Add(WriteWithin)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut.IsZero() && w.cut.Before(until) {
		until = w.cut
	}
	_ = w.conn.SetWriteDeadline(until)
}

// write is called with writing locked.
func (w *Writer) write(b []byte) error {
	if w.broken {
		return &WriteError{errBroken}
	}
	w.extend()
	if n, err := w.conn.Write(b); err != nil {
		// Of a write that came too late nothing is on its way: a frame may follow.
		w.broken = n > 0
		return &WriteError{err}
	}
	return nil
}

// Send writes a complete message or control frame; within a message that is being
// passed it waits in memory for the end.
func (w *Writer) Send(op ws.OpCode, data []byte) error {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	waiting := &w.control
	if !op.IsControl() {
		waiting = &w.data
	}
	if op.IsControl() && len(w.control)+len(data) > maxControlWaiting {
		w.control = nil // an answer to the last ping will do (RFC 6455, section 5.5.3)
	}
	if w.mid || w.open && !op.IsControl() {
		if len(*waiting)+len(data) > maxWaiting {
			return &WriteError{errBacklog}
		}
		*waiting = Append(*waiting, op, true, data, w.masks)
		return nil
	}
	return w.compose(op, true, data)
}

// Begin writes a message's first part.
func (w *Writer) Begin(op ws.OpCode, data []byte) error {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	w.open = true
	return w.compose(op, false, data)
}

func (w *Writer) compose(op ws.OpCode, fin bool, data []byte) error {
	if len(data)+ws.MaxHeaderSize > bufferSize {
		return w.write(Append(make([]byte, 0, len(data)+ws.MaxHeaderSize), op, fin, data, w.masks))
	}
	buf := borrow()
	defer giveBack(buf)
	return w.write(Append(buf[:0], op, fin, data, w.masks))
}

// SendNow writes a control frame unless something is being written or passed: then
// the peer has better signs of life than this.
func (w *Writer) SendNow(op ws.OpCode, data []byte) {
	select {
	case w.writing <- struct{}{}:
	default:
		return
	}
	defer func() { <-w.writing }()
	if !w.mid {
		_ = w.compose(op, true, data)
	}
}

// Pass writes bytes as they came. mid and open say where they end; see Reader.
func (w *Writer) Pass(b []byte, mid, open bool) error {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	if err := w.write(b); err != nil {
		return err
	}
	return w.passed(mid, open)
}

// passed takes note of where passing has come to, and writes what has waited for it.
func (w *Writer) passed(mid, open bool) error {
	w.mid, w.open = mid, open
	if !mid && len(w.control) > 0 {
		b := w.control
		w.control = nil
		if err := w.write(b); err != nil {
			return err
		}
	}
	if !open && len(w.data) > 0 {
		b := w.data
		w.data = nil
		return w.write(b)
	}
	return nil
}

// Raw writes bytes before any frame, with or without frames behind them.
func (w *Writer) Raw(b []byte) error {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	return w.write(b)
}

// Close writes the last frame, within a time of its own; false when it cannot be
// said, because the peer is in the middle of another frame.
func (w *Writer) Close(data []byte, within time.Duration) bool {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	if w.mid || w.broken {
		return false
	}
	w.mu.Lock()
	w.cut = time.Now().Add(within)
	w.mu.Unlock()
	err := w.compose(ws.OpClose, true, data)
	w.broken = true // nothing may follow
	return err == nil
}

// Idle says that nothing is being written and no frame is half written.
func (w *Writer) Idle() bool {
	select {
	case w.writing <- struct{}{}:
		defer func() { <-w.writing }()
		return !w.mid
	default:
		return false
	}
}

// Append adds a frame to dst; mask is what clients must do.
func Append(dst []byte, op ws.OpCode, fin bool, data []byte, mask bool) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	var second byte
	if mask {
		second = 0x80
	}
	switch n := len(data); {
	case n < 126:
		dst = append(dst, first, second|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, first, second|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, second|127), uint64(n))
	}
	if !mask {
		return append(dst, data...)
	}
	var key [4]byte
	binary.NativeEndian.PutUint32(key[:], rand.Uint32())
	dst = append(dst, key[:]...)
	from := len(dst)
	dst = append(dst, data...)
	ws.Cipher(dst[from:], key, 0)
	return dst
}
