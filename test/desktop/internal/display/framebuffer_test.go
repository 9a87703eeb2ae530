package display

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func screenMemory(w, h, pad int, pixel [4]byte) []byte {
	raw := make([]byte, xwdWords*4+4+2*xwdColorSize)
	for i, v := range map[int]int{
		xwdHeaderSize: xwdWords*4 + 4, xwdWidth: w, xwdHeight: h, xwdBitsPerPixel: 32, xwdBytesPerLine: 4*w + pad, xwdColorCount: 2,
	} {
		binary.BigEndian.PutUint32(raw[4*i:], uint32(v))
	}
	for range h {
		for range w {
			raw = append(raw, pixel[:]...)
		}
		raw = append(raw, make([]byte, pad)...)
	}
	return raw
}

func TestColoursBecomeWhatBrowsersExpect(t *testing.T) {
	for _, c := range []struct {
		name    string
		bgr     [4]byte
		y, u, v byte
	}{
		{"black", [4]byte{0, 0, 0}, 16, 128, 128},
		{"white", [4]byte{255, 255, 255}, 235, 128, 128},
		{"red", [4]byte{0, 0, 255}, 82, 90, 239},
		{"blue", [4]byte{255, 0, 0}, 41, 239, 110},
	} {
		fb, err := parseFramebuffer(screenMemory(320, 240, 8, c.bgr), Size{320, 240})
		require.NoError(t, err)
		out := make([]byte, fb.I420Len())
		require.NoError(t, fb.ReadI420(out))
		last := len(out) - 1
		if !near(out[0], c.y) || !near(out[320*240-1], c.y) || !near(out[320*240], c.u) || !near(out[last], c.v) {
			t.Errorf("%s: Y %d U %d V %d, want %d %d %d", c.name, out[0], out[320*240], out[last], c.y, c.u, c.v)
		}
	}
}

func near(a, b byte) bool { return int(a)-int(b) <= 1 && int(b)-int(a) <= 1 }

func TestScreenMemoryOfAnotherShapeIsRefused(t *testing.T) {
	good := screenMemory(320, 240, 0, [4]byte{})
	if _, err := parseFramebuffer(good, Size{640, 480}); err == nil {
		t.Error("took a screen of another size")
	}
	if _, err := parseFramebuffer(good[:len(good)-1], Size{320, 240}); err == nil {
		t.Error("took a screen that is too short")
	}
	if _, err := parseFramebuffer(good[:20], Size{320, 240}); err == nil {
		t.Error("took a screen without its header")
	}
	fb, err := parseFramebuffer(good, Size{320, 240})
	require.NoError(t, err)
	assert.Error(t, fb.ReadI420(make([]byte, 10)), "wrote into a buffer that is too small")
}

func TestParseSize(t *testing.T) {
	s, err := ParseSize("1280x720")
	require.NoError(t, err)
	require.Equal(t, Size{1280, 720}, s)
	for _, text := range []string{"", "1280", "1281x720", "100x100", "9999x720", "axb", "1280x720x24"} {
		_, err := ParseSize(text)
		assert.Error(t, err, "ParseSize(%q) took it", text)
	}
}

func BenchmarkReadI420(b *testing.B) {
	fb, err := parseFramebuffer(screenMemory(1280, 720, 0, [4]byte{1, 2, 3}), Size{1280, 720})
	require.NoError(b, err)
	out := make([]byte, fb.I420Len())
	for b.Loop() {
		_ = fb.ReadI420(out)
	}
}
