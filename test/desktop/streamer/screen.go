package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/display"
	"github.com/org/vdi-operator/test/desktop/internal/input"
	"github.com/org/vdi-operator/test/desktop/internal/process"
	"github.com/org/vdi-operator/test/desktop/internal/video"
)

// screen is the X server with all that belongs to it, which starts while the port is
// already open.
type screen struct {
	config config
	marks  *milestones
	group  *process.Group

	ready   chan struct{} // closes when display and device are set
	display *display.Display
	device  *input.Device
}

// run starts the X server and its windows, and stays until ctx ends (nil) or the X server
// does.
func (s *screen) run(ctx context.Context, home string) error {
	d, err := display.Start(ctx, s.group, s.config.size)
	if err != nil {
		return err
	}
	defer d.Close()
	s.marks.mark("X server ready")
	device, err := input.Open(d.Name)
	if err != nil {
		return err
	}
	defer device.Close()
	if err := d.PaintWallpaper(); err != nil {
		return err
	}
	s.display, s.device = d, device
	close(s.ready)
	s.marks.mark("screen ready")
	windows, closeWindows := context.WithCancel(ctx)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.KeepPrograms(windows, s.marks.log, home)
	}()
	defer func() { <-closed }()
	defer closeWindows()
	select {
	case <-ctx.Done():
		return nil
	case <-d.Ended():
		if ctx.Err() != nil {
			return nil
		}
		return errors.New("the X server ended by itself: see its messages above")
	}
}

// wait gives a video session the screen, once there is one.
func (s *screen) wait(ctx context.Context) (app.Screen, error) {
	const patience = 30 * time.Second
	select {
	case <-s.ready:
	case <-ctx.Done():
		return app.Screen{}, ctx.Err()
	case <-time.After(patience):
		return app.Screen{}, fmt.Errorf("no X server after %s", patience)
	}
	return app.Screen{
		Source: s.display.Frames, Input: s.device, Group: s.group,
		Settings: video.Settings{Width: s.config.size.Width, Height: s.config.size.Height, FrameRate: s.config.frameRate, Bitrate: s.config.bitrate},
	}, nil
}

// isReady reports whether display and device may be used.
func (s *screen) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}
