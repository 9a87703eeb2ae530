package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
)

// maxControl is the longest payload of a control frame (RFC 6455, section 5.5).
const maxControl = 125

var (
	faultMask       = closing.FrameMask.Ending()
	faultReserved   = closing.FrameReserved.Ending()
	faultOpcode     = closing.FrameOpcode.Ending()
	faultControl    = closing.FrameControl.Ending()
	faultFirst      = closing.FrameOrder.Ending("a continuation frame continues nothing")
	faultUnfinished = closing.FrameOrder.Ending("a message begins before the last one has ended")
	faultLength     = closing.FrameLength.Ending()
)

// parse reads a frame's header; size is 0 while it is not complete.
func parse(b []byte) (h ws.Header, size int, err error) {
	if len(b) < ws.MinHeaderSize {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 0xf)
	h.Masked = b[1]&0x80 != 0
	short := b[1] & 0x7f
	size = ws.MinHeaderSize
	switch short {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	mask := size
	if h.Masked {
		size += len(h.Mask)
	}
	if len(b) < size {
		return h, 0, nil
	}
	// The shortest form must be used (section 5.2).
	switch short {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < 126 {
			return h, size, faultLength
		}
	case 127:
		long := binary.BigEndian.Uint64(b[2:])
		if long>>63 != 0 || long <= 0xffff {
			return h, size, faultLength
		}
		h.Length = int64(long)
	default:
		h.Length = int64(short)
	}
	if h.Masked {
		copy(h.Mask[:], b[mask:])
	}
	return h, size, nil
}

// check says what is wrong with a header; open says that a message's last frame is
// still to come.
func check(h ws.Header, fromClient, open bool) error {
	switch {
	case fromClient != h.Masked:
		return faultMask
	case h.Rsv != 0:
		return faultReserved
	case h.OpCode.IsReserved():
		return faultOpcode
	case h.OpCode.IsControl() && (!h.Fin || h.Length > maxControl):
		return faultControl
	case h.OpCode == ws.OpContinuation && !open:
		return faultFirst
	case open && h.OpCode.IsData() && h.OpCode != ws.OpContinuation:
		return faultUnfinished
	}
	return nil
}
