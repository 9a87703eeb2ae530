package input

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// aKeymap has keys 8 (a, A), 9 (Return) and 10 (Shift), and two free ones, 11 and 12.
func aKeymap(borrow func(byte, uint32) error) *keymap {
	return newKeymap(8, 2, []uint32{'a', 'A', 0xff0d, 0, shiftLeft, shiftLeft, 0, 0, 0, 0}, borrow)
}

func TestFindKeys(t *testing.T) {
	m := aKeymap(func(byte, uint32) error { t.Error("borrowed a key without need"); return nil })
	for _, c := range []struct {
		keysym        uint32
		code          byte
		shift, either bool
	}{{'a', 8, false, false}, {'A', 8, true, false}, {0xff0d, 9, false, true}, {shiftLeft, 10, false, true}} {
		code, shift, either, err := m.find(c.keysym)
		if code != c.code || shift != c.shift || either != c.either || err != nil {
			t.Errorf("find(%#x) = %d, %t, %t, %v; want %+v", c.keysym, code, shift, either, err, c)
		}
	}
}

func TestSymbolsWithoutAKeyBorrowOne(t *testing.T) {
	var lent []uint32
	m := aKeymap(func(code byte, keysym uint32) error { lent = append(lent, uint32(code), keysym); return nil })
	find := func(keysym uint32, want byte) {
		t.Helper()
		code, _, _, err := m.find(keysym)
		require.Equal(t, want, code)
		require.NoError(t, err, "find(%#x)", keysym)
	}
	find(0xe9, 11)
	find(0xe8, 12)
	find(0xe9, 11) // remembered
	find(0xea, 11) // the longest-borrowed goes
	find(0xe9, 12) // and must be borrowed anew
	want := []uint32{11, 0xe9, 12, 0xe8, 11, 0xea, 12, 0xe9}
	require.Len(t, lent, len(want), "borrowed, want %v", want)
	for i := range want {
		require.Equal(t, want[i], lent[i], "borrowed %v, want %v", lent, want)
	}
}

func TestNoKeyToBorrow(t *testing.T) {
	m := newKeymap(8, 1, []uint32{'a'}, func(byte, uint32) error { return nil })
	_, _, _, err := m.find('b')
	require.Error(t, err, "found a key for a symbol that has none")
	broken := aKeymap(func(byte, uint32) error { return errors.New("refused") })
	_, _, _, err = broken.find('b')
	require.Error(t, err, "the X server's refusal was lost")
}
