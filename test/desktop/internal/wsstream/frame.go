// Package wsstream is the WebSockets mode of Selkies 2 as a browser sees it: the greeting
// in text, then pictures and sound in binary messages, and input as text on the same
// socket. The messages have the headers of Selkies (selkies-ws-core.js, 3a0bc7a), but
// carry VP8 where Selkies has H.264 or JPEG.
package wsstream

import (
	"encoding/binary"
	"fmt"
)

// The first byte of a binary message.
const (
	kindAudio = 0x01
	kindVideo = 0x04 // one stripe of a picture; ours are whole pictures
)

const (
	videoHeader = 10
	audioHeader = 2
)

// Frame is one picture.
type Frame struct {
	Number        uint16 // counts up by one, and begins anew after the highest
	Key           bool
	Width, Height int
	VP8           []byte
}

// Append adds the binary message of a frame to b.
func (f Frame) Append(b []byte) []byte {
	key := byte(0)
	if f.Key {
		key = 1
	}
	b = append(b, kindVideo, key)
	b = binary.BigEndian.AppendUint16(b, f.Number)
	b = binary.BigEndian.AppendUint16(b, 0) // the stripe's top
	b = binary.BigEndian.AppendUint16(b, uint16(f.Width))
	b = binary.BigEndian.AppendUint16(b, uint16(f.Height))
	return append(b, f.VP8...)
}

// Parse reads a binary message: a frame, or audio with a zero Frame.
func Parse(message []byte) (f Frame, audio bool, err error) {
	switch {
	case len(message) > audioHeader && message[0] == kindAudio:
		return Frame{}, true, nil
	case len(message) <= videoHeader || message[0] != kindVideo || message[1] > 1:
		return Frame{}, false, fmt.Errorf("a binary message of %d bytes begins with % x: it is neither a picture (04, 00 or 01, number, ...) nor sound (01)",
			len(message), message[:min(len(message), videoHeader)])
	}
	return Frame{
		Number: binary.BigEndian.Uint16(message[2:]), Key: message[1] == 1,
		Width: int(binary.BigEndian.Uint16(message[6:])), Height: int(binary.BigEndian.Uint16(message[8:])), VP8: message[videoHeader:],
	}, false, nil
}
