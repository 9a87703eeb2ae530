package display

import (
	"fmt"
	"math"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// maxRequest is how many bytes of pixels go into one X request; without the big-requests
// extension a request is at most 256 KiB.
const maxRequest = 200 << 10

// PaintWallpaper fills the root window with a quiet gradient.
func (d *Display) PaintWallpaper() error {
	conn, err := xgb.NewConnDisplay(d.Name)
	if err != nil {
		return fmt.Errorf("connect to the X server %s: %w", d.Name, err)
	}
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	pixmap, err := xproto.NewPixmapId(conn)
	if err != nil {
		return err
	}
	gc, err := xproto.NewGcontextId(conn)
	if err != nil {
		return err
	}
	w, h := d.Size.Width, d.Size.Height
	xproto.CreatePixmap(conn, screen.RootDepth, pixmap, xproto.Drawable(screen.Root), uint16(w), uint16(h))
	xproto.CreateGC(conn, gc, xproto.Drawable(pixmap), 0, nil)
	rows := max(1, maxRequest/(4*w))
	for y := 0; y < h; y += rows {
		n := min(rows, h-y)
		strip := make([]byte, 4*w*n)
		for i := range n {
			for x := range w {
				r, g, b := gradient(float64(x)/float64(w), float64(y+i)/float64(h), dither(x, y+i))
				copy(strip[4*(i*w+x):], []byte{b, g, r, 0})
			}
		}
		xproto.PutImage(conn, xproto.ImageFormatZPixmap, xproto.Drawable(pixmap), gc, uint16(w), uint16(n), 0, int16(y), 0, screen.RootDepth, strip)
	}
	xproto.ChangeWindowAttributes(conn, screen.Root, xproto.CwBackPixmap, []uint32{uint32(pixmap)})
	xproto.ClearArea(conn, false, screen.Root, 0, 0, 0, 0)
	xproto.FreePixmap(conn, pixmap) // the window keeps it
	return xproto.FreeGCChecked(conn, gc).Check()
}

// gradient is a dark blue that glows teal at the lower left. noise in [0,1) hides the
// steps between neighbouring colours.
func gradient(x, y, noise float64) (r, g, b byte) {
	glow := math.Exp(-2.4*(x*x*0.8+(1-y)*(1-y))) + 0.35*math.Exp(-5*((1-x)*(1-x)+y*y))
	mix := func(dark, light float64) byte { return byte(math.Min(255, dark+(light-dark)*glow+noise)) }
	return mix(14, 24), mix(20, 112), mix(36, 128)
}

// dither is a 4x4 ordered pattern (Bayer).
func dither(x, y int) float64 {
	pattern := [16]float64{0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5}
	return pattern[(y&3)*4+x&3] / 16
}
