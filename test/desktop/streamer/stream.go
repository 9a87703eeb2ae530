package main

import (
	"context"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/video"
	"github.com/org/vdi-operator/test/desktop/internal/wsstream"
)

// shown is a screen for the WebSockets mode.
type shown struct {
	app.Screen
	marks *milestones
	count func()
}

var _ wsstream.Media = shown{}

// media waits for the screen.
func (d *desktop) media(ctx context.Context) (wsstream.Media, error) {
	screen, err := d.screen.wait(ctx)
	return shown{Screen: screen, marks: d.marks, count: func() { d.streamed.Add(1) }}, err
}

func (s shown) Size() (width, height int) { return s.Settings.Width, s.Settings.Height }

func (s shown) Video(ctx context.Context, keyFrame <-chan struct{}, sink func([]byte) error) error {
	first := true
	return video.Stream(ctx, s.Group, s.Settings, s.Source, keyFrame, func(frame []byte, _ time.Duration) error {
		if err := sink(frame); err != nil {
			return err
		}
		s.count()
		if first {
			first = false
			s.marks.mark("first frame sent")
		}
		return nil
	})
}

func (s shown) Audio(ctx context.Context, sink func([]byte) error) error {
	return app.Silence(ctx, sink)
}

func (s shown) Do(input string) error { return s.Input.Do(input) }
func (s shown) Release()              { s.Input.Release() }
