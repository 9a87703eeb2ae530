package input

import "fmt"

// Keysyms of the Shift keys (X11's keysymdef.h).
const (
	shiftLeft  = 0xffe1
	shiftRight = 0xffe2
)

// keymap knows which key gives which symbol. Symbols without a key borrow a key that has
// none, the longest-borrowed first.
type keymap struct {
	first  byte       // lowest keycode
	table  [][]uint32 // symbols of each keycode from first on: plain, with Shift, ...
	spare  []byte     // keycodes without symbols, next to borrow first
	lent   map[uint32]byte
	borrow func(code byte, keysym uint32) error // tells the X server
}

func newKeymap(first byte, perKey int, symbols []uint32, borrow func(byte, uint32) error) *keymap {
	m := &keymap{first: first, lent: map[uint32]byte{}, borrow: borrow}
	for i := 0; i+perKey <= len(symbols); i += perKey {
		row := symbols[i : i+perKey]
		m.table = append(m.table, row)
		empty := true
		for _, s := range row {
			empty = empty && s == 0
		}
		if empty {
			m.spare = append(m.spare, first+byte(len(m.table)-1))
		}
	}
	return m
}

// find returns the key for a symbol and whether it needs Shift held. either is set when
// Shift makes no difference, as for Return or the Shift keys themselves.
func (m *keymap) find(keysym uint32) (code byte, shift, either bool, err error) {
	for i, row := range m.table {
		plain := len(row) > 0 && row[0] == keysym
		shifted := len(row) > 1 && row[1] == keysym
		switch {
		case plain && (shifted || len(row) < 2 || row[1] == 0):
			return m.first + byte(i), false, true, nil
		case plain:
			return m.first + byte(i), false, false, nil
		case shifted:
			return m.first + byte(i), true, false, nil
		}
	}
	if code, ok := m.lent[keysym]; ok {
		return code, false, true, nil
	}
	if len(m.spare) == 0 {
		return 0, false, false, fmt.Errorf("keysym %#x: no key has it and no key is free to borrow", keysym)
	}
	code = m.spare[0]
	m.spare = append(m.spare[1:], code)
	for other, c := range m.lent {
		if c == code {
			delete(m.lent, other)
		}
	}
	if err := m.borrow(code, keysym); err != nil {
		return 0, false, false, fmt.Errorf("keysym %#x: borrow key %d: %w", keysym, code, err)
	}
	m.lent[keysym] = code
	return code, false, true, nil
}
