// Package input carries what a visitor does with mouse and keyboard to the X server. It
// promises that no key and no button stays down once the visitor is gone. It does not
// know how the messages came here.
package input

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a message asks for.
type Kind int

// The kinds of messages that this desktop acts on; Other is everything that Selkies'
// client also sends (clipboard, statistics, resizing, gamepads).
const (
	Other Kind = iota
	KeyDown
	KeyUp
	KeyReset
	Pointer
)

// Message is one parsed message of Selkies 1.6's data channel.
type Message struct {
	Kind     Kind
	Keysym   uint32
	X, Y     int
	Buttons  uint32 // bit 0 is the left button, as X numbers them
	Scroll   int    // how many steps a scroll button moves
	Relative bool   // X and Y are a movement
}

const (
	maxCoordinate = 1 << 14
	maxScroll     = 20
	maxKeysym     = 1<<29 - 1 // X's protocol: the top three bits are always zero
)

// Parse reads "kd,<keysym>", "ku,<keysym>", "kr", "m,x,y,buttons,scroll" (a position) or
// "m2,..." (a movement). Any other first word gives a message of kind Other; a known word
// with bad numbers is an error.
func Parse(text string) (Message, error) {
	word, rest, _ := strings.Cut(text, ",")
	switch word {
	case "kd", "ku":
		keysym, err := strconv.ParseUint(rest, 10, 32)
		if err != nil || keysym == 0 || keysym > maxKeysym {
			return Message{}, fmt.Errorf("input %q: want a keysym from 1 to %d after %q", clip(text), maxKeysym, word)
		}
		kind := KeyDown
		if word == "ku" {
			kind = KeyUp
		}
		return Message{Kind: kind, Keysym: uint32(keysym)}, nil
	case "kr":
		return Message{Kind: KeyReset}, nil
	case "m", "m2":
		fields := strings.Split(rest, ",")
		if len(fields) != 3 && len(fields) != 4 {
			return Message{}, fmt.Errorf("input %q: want x,y,buttons,scroll after %q", clip(text), word)
		}
		numbers := [4]int{}
		for i, field := range fields {
			n, err := strconv.Atoi(field)
			if err != nil || n < -maxCoordinate || n > maxCoordinate {
				return Message{}, fmt.Errorf("input %q: %q is not a number from %d to %d", clip(text), clip(field), -maxCoordinate, maxCoordinate)
			}
			numbers[i] = n
		}
		return Message{
			Kind: Pointer, X: numbers[0], Y: numbers[1], Buttons: uint32(numbers[2]) & 0xff,
			Scroll: min(max(numbers[3], 1), maxScroll), Relative: word == "m2",
		}, nil
	}
	return Message{}, nil
}

// clip keeps hostile input out of the log at length.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
