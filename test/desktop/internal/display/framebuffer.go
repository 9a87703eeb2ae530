package display

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// Framebuffer is the X server's screen memory, which it keeps as a file in X's window dump
// format (the header is described in /usr/include/X11/XWDFile.h).
type Framebuffer struct {
	size   Size
	stride int // bytes a row
	offset int // of the first pixel

	mu  sync.Mutex // guards raw against unmapping
	raw []byte     // nil once closed
}

// ErrClosed is returned for a screen that is gone.
var ErrClosed = errors.New("the screen is closed")

// Fields of the header that matter here, counted in 32-bit big-endian words.
const (
	xwdHeaderSize   = 0
	xwdWidth        = 4
	xwdHeight       = 5
	xwdByteOrder    = 7
	xwdBitsPerPixel = 11
	xwdBytesPerLine = 12
	xwdColorCount   = 19
	xwdWords        = 25
	xwdColorSize    = 12 // bytes of one colour map entry
)

func mapFramebuffer(path string, size Size) (*Framebuffer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the X server's screen memory: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	raw, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the X server's screen memory: %w", err)
	}
	fb, err := parseFramebuffer(raw, size)
	if err != nil {
		_ = syscall.Munmap(raw)
		return nil, err
	}
	return fb, nil
}

func parseFramebuffer(raw []byte, size Size) (*Framebuffer, error) {
	if len(raw) < xwdWords*4 {
		return nil, fmt.Errorf("screen memory of %d bytes: too short for its header", len(raw))
	}
	word := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	if word(xwdWidth) != size.Width || word(xwdHeight) != size.Height {
		return nil, fmt.Errorf("screen memory is %dx%d, want %s", word(xwdWidth), word(xwdHeight), size)
	}
	if word(xwdBitsPerPixel) != 32 || word(xwdByteOrder) != 0 {
		return nil, fmt.Errorf("screen memory has %d bits a pixel in byte order %d: only 32 bits, little-endian, are known",
			word(xwdBitsPerPixel), word(xwdByteOrder))
	}
	fb := &Framebuffer{size: size, stride: word(xwdBytesPerLine), offset: word(xwdHeaderSize) + word(xwdColorCount)*xwdColorSize, raw: raw}
	if fb.stride < 4*size.Width || fb.offset < 0 || len(raw) < fb.offset+fb.stride*size.Height {
		return nil, fmt.Errorf("screen memory of %d bytes is too short for %s at %d bytes a row", len(raw), size, fb.stride)
	}
	return fb, nil
}

// I420Len is how many bytes ReadI420 fills.
func (f *Framebuffer) I420Len() int { return f.size.Width * f.size.Height * 3 / 2 }

// ReadI420 writes the picture of this moment, pointer included, as planar Y, U, V with
// halved colour (BT.601, limited range: what browsers assume of VP8).
func (f *Framebuffer) ReadI420(dst []byte) error {
	if len(dst) != f.I420Len() {
		return fmt.Errorf("buffer of %d bytes, want %d", len(dst), f.I420Len())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.raw == nil {
		return ErrClosed
	}
	w, h := f.size.Width, f.size.Height
	luma, u, v := dst[:w*h], dst[w*h:w*h+w*h/4], dst[w*h+w*h/4:]
	for y := 0; y < h; y += 2 {
		top := f.raw[f.offset+y*f.stride:][:4*w]
		low := f.raw[f.offset+(y+1)*f.stride:][:4*w]
		lumaTop, lumaLow := luma[y*w:][:w], luma[(y+1)*w:][:w]
		uRow, vRow := u[y/2*(w/2):][:w/2], v[y/2*(w/2):][:w/2]
		for x := 0; x < w; x += 2 {
			a, b := top[4*x:4*x+8:4*x+8], low[4*x:4*x+8:4*x+8]
			lumaTop[x], lumaTop[x+1] = lumaOf(a[2], a[1], a[0]), lumaOf(a[6], a[5], a[4])
			lumaLow[x], lumaLow[x+1] = lumaOf(b[2], b[1], b[0]), lumaOf(b[6], b[5], b[4])
			// The sum of four pixels, so the divisor is four times 256.
			red := int32(a[2]) + int32(a[6]) + int32(b[2]) + int32(b[6])
			green := int32(a[1]) + int32(a[5]) + int32(b[1]) + int32(b[5])
			blue := int32(a[0]) + int32(a[4]) + int32(b[0]) + int32(b[4])
			uRow[x/2] = byte((-38*red-74*green+112*blue)>>10 + 128)
			vRow[x/2] = byte((112*red-94*green-18*blue)>>10 + 128)
		}
	}
	return nil
}

func lumaOf(red, green, blue byte) byte {
	return byte((66*int32(red)+129*int32(green)+25*int32(blue)+128)>>8 + 16)
}

func (f *Framebuffer) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.raw != nil {
		_ = syscall.Munmap(f.raw)
		f.raw = nil
	}
}
