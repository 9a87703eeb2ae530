package display

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

const (
	sketchBackground = 0x10161f
	sketchInk        = 0xf2f7fb
	sketchCurve      = 0x5ad1c8
	sketchTick       = 100 * time.Millisecond
	sketchPoints     = 160
	sketchWave       = 90 // pixels at the top where the curve moves
)

// Sketch opens a window with a moving curve, on which the user draws with the left mouse
// button and wipes with the right. It returns when the window or the X server goes.
func Sketch(geometry string) error {
	var w, h, x, y int
	if _, err := fmt.Sscanf(geometry, "%dx%d+%d+%d", &w, &h, &x, &y); err != nil {
		return fmt.Errorf("geometry %q: want WxH+X+Y: %w", geometry, err)
	}
	conn, err := xgb.NewConn()
	if err != nil {
		return fmt.Errorf("connect to the X server: %w", err)
	}
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	window, err := xproto.NewWindowId(conn)
	if err != nil {
		return err
	}
	xproto.CreateWindow(conn, screen.RootDepth, window, screen.Root, int16(x), int16(y), uint16(w), uint16(h), 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwBackPixel|xproto.CwEventMask, []uint32{
			sketchBackground, xproto.EventMaskButtonPress | xproto.EventMaskButton1Motion | xproto.EventMaskExposure | xproto.EventMaskStructureNotify,
		})
	const title = "Sketch: draw with the left button, wipe with the right"
	xproto.ChangeProperty(conn, xproto.PropModeReplace, window, xproto.AtomWmName, xproto.AtomString, 8, uint32(len(title)), []byte(title))
	// Position and size are the user's choice: the window manager should not move it.
	hints := make([]byte, 18*4)
	xgb.Put32(hints, 1|2)
	xproto.ChangeProperty(conn, xproto.PropModeReplace, window, xproto.AtomWmNormalHints, xproto.AtomWmSizeHints, 32, 18, hints)
	pen, err := newPen(conn, xproto.Drawable(window), sketchInk, 4)
	if err != nil {
		return err
	}
	line, err := newPen(conn, xproto.Drawable(window), sketchCurve, 2)
	if err != nil {
		return err
	}
	xproto.MapWindow(conn, window)

	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the connection, at the latest one tick after this function
		tick := time.NewTicker(sketchTick)
		defer tick.Stop()
		for start := time.Now(); ; {
			select {
			case <-tick.C:
				xproto.ClearArea(conn, false, window, 0, 0, 0, sketchWave)
				xproto.PolyLine(conn, xproto.CoordModeOrigin, xproto.Drawable(window), line, curve(w, time.Since(start).Seconds()))
			case <-ended:
				return
			}
		}
	}()
	var last xproto.Point
	for {
		event, failure := conn.WaitForEvent()
		switch e := event.(type) {
		case nil:
			if failure == nil {
				return errors.New("the X server has gone")
			}
		case xproto.ButtonPressEvent:
			last = xproto.Point{X: e.EventX, Y: e.EventY}
			if e.Detail == 3 {
				xproto.ClearArea(conn, false, window, 0, 0, 0, 0)
			}
		case xproto.MotionNotifyEvent:
			next := xproto.Point{X: e.EventX, Y: e.EventY}
			xproto.PolyLine(conn, xproto.CoordModeOrigin, xproto.Drawable(window), pen, []xproto.Point{last, next})
			last = next
		case xproto.DestroyNotifyEvent:
			return nil
		}
	}
}

func newPen(conn *xgb.Conn, on xproto.Drawable, color, width uint32) (xproto.Gcontext, error) {
	gc, err := xproto.NewGcontextId(conn)
	if err != nil {
		return 0, err
	}
	err = xproto.CreateGCChecked(conn, gc, on, xproto.GcForeground|xproto.GcLineWidth|xproto.GcCapStyle|xproto.GcJoinStyle,
		[]uint32{color, width, xproto.CapStyleRound, xproto.JoinStyleRound}).Check()
	return gc, err
}

// curve is a wave that travels and breathes; t is in seconds.
func curve(width int, t float64) []xproto.Point {
	points := make([]xproto.Point, sketchPoints)
	for i := range points {
		x := float64(i) / (sketchPoints - 1)
		swing := math.Sin(math.Pi*x) * (0.75 + 0.25*math.Sin(t*0.7))
		points[i] = xproto.Point{
			X: int16(x * float64(width)),
			Y: int16(sketchWave/2 + swing*(sketchWave/2-8)*math.Sin(2*math.Pi*(2.5*x-0.35*t))),
		}
	}
	return points
}
