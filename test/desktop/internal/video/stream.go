package video

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

// Source gives the picture of this moment. It is a *display.Framebuffer.
type Source interface {
	I420Len() int
	ReadI420(dst []byte) error
}

// minKeyFrameGap bounds how often a viewer can make us start the encoder anew.
const minKeyFrameGap = time.Second

// An encoder that fails is started again, unless it keeps failing.
const (
	mostFailures = 3
	healthyAfter = 10 * time.Second
)

// Stream encodes a source for one viewer until ctx ends. sink gets each frame and the
// time since the one before. Each value received from keyFrame makes the stream go on with
// a key frame.
func Stream(ctx context.Context, group *process.Group, s Settings, source Source, keyFrame <-chan struct{}, sink func([]byte, time.Duration) error) error {
	for failures := 0; ctx.Err() == nil; {
		// vpxenc cannot be asked for a key frame, but a new one begins with it and is
		// there in a few milliseconds.
		started := time.Now()
		err := run(ctx, group, s, source, keyFrame, sink)
		if time.Since(started) > healthyAfter {
			failures = 0
		}
		if err != nil && ctx.Err() == nil {
			if failures++; failures >= mostFailures {
				return fmt.Errorf("the encoder failed %d times in a row: %w", failures, err)
			}
		}
	}
	return ctx.Err()
}

// run streams with one encoder, until ctx ends, a key frame is wanted (nil) or it fails.
func run(ctx context.Context, group *process.Group, s Settings, source Source, keyFrame <-chan struct{}, sink func([]byte, time.Duration) error) error {
	encoder, err := Start(group, s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	defer func() {
		cancel(nil)
		const patience = time.Second
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer stop()
		encoder.Close(closing)
		reader.Wait()
	}()
	interval := time.Second / time.Duration(s.FrameRate)
	reader.Go(func() {
		last := time.Now()
		for {
			frame, err := encoder.Read()
			if err == nil {
				now := time.Now()
				err = sink(frame, max(now.Sub(last), time.Millisecond))
				last = now
			}
			if err != nil {
				cancel(err)
				return
			}
		}
	})
	picture := make([]byte, source.I420Len())
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for started := time.Now(); ; {
		if err := source.ReadI420(picture); err != nil {
			return fmt.Errorf("read the screen: %w", err)
		}
		if err := encoder.Write(picture); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = errors.Join(err, cause)
			}
			return err
		}
		wanted := keyFrame
		if time.Since(started) < minKeyFrameGap {
			wanted = nil // asked again later; the channel keeps one wish
		}
		select {
		case <-tick.C:
		case <-wanted:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
