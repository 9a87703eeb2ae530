package viewer

import (
	"testing"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var keyFrame = []byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02, 0xff} // 1280x720

func packet(seq uint16, start, marker bool, payload ...byte) *rtp.Packet {
	first := byte(0)
	if start {
		first = 0x10
	}
	return &rtp.Packet{Header: rtp.Header{SequenceNumber: seq, Marker: marker}, Payload: append([]byte{first}, payload...)}
}

func TestWholeFramesAreCounted(t *testing.T) {
	a := &assembler{}
	add := func(p *rtp.Packet, wantWhole, wantLost bool) *frame {
		t.Helper()
		f, lost, err := a.add(p)
		require.NoError(t, err)
		require.Equal(t, wantWhole, f != nil)
		require.Equal(t, wantLost, lost, "packet %d: %+v, lost", p.SequenceNumber, f)
		return f
	}
	add(packet(65533, true, true, 0x11, 0, 0), false, false) // before any key frame
	add(packet(65534, true, false, keyFrame[:6]...), false, false)
	if f := add(packet(65535, false, true, keyFrame[6:]...), true, false); !f.key || f.width != 1280 || f.height != 720 || f.bytes != len(keyFrame) {
		t.Fatalf("%+v", f)
	}
	add(packet(0, true, true, 0x11, 0, 0), true, false)
	add(packet(65535, false, true, keyFrame[6:]...), false, false) // sent again
	add(packet(2, false, true, 1, 2, 3), false, true)              // packet 1 is missing
	add(packet(3, true, true, 0x11, 0, 0), false, false)           // needs a key frame first
	add(packet(4, true, true, keyFrame...), true, false)
	add(packet(5, true, true, 0x11, 0, 0), true, false)
}

func TestBrokenKeyFramesAreErrors(t *testing.T) {
	for name, data := range map[string][]byte{
		"short":     {0x10},
		"start":     {0x10, 2, 0, 1, 2, 3, 0, 5, 0xd0, 2},
		"truncated": keyFrame[:9],
		"no size":   {0x10, 2, 0, 0x9d, 1, 0x2a, 0, 0, 0, 0},
	} {
		f, err := parseFrame(data)
		assert.Error(t, err, "%s: took %+v", name, f)
	}
}
