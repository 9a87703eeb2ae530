package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/bench/figure"
)

const (
	// A stream of 50 Mbit/s as a desktop's encoder sends one: 60 frames a second.
	frameRate  = 60
	streamBits = 50_000_000
	frameBytes = streamBits / 8 / frameRate
	// streaming and filling are how long a round measures the paced stream and that
	// without a pace.
	streaming = 2 * time.Second
	filling   = time.Second
	// streamBuffer keeps the client from being the narrow place.
	streamBuffer = 64 << 10
	// settled is how much of a stream goes by before it counts.
	settled = 250 * time.Millisecond
)

// paced measures the stream of 50 Mbit/s.
func (c *contender) paced(ctx context.Context, f *streamFigures) error {
	ws, err := c.stream(ctx, frameRate)
	if err != nil {
		return err
	}
	defer func() { _ = ws.Close() }()
	before, err := c.cpu()
	if err != nil {
		return err
	}
	late, elapsed, err := receive(ws, streaming)
	if err != nil {
		return err
	}
	after, err := c.cpu()
	if err != nil {
		return err
	}
	f.CPU = time.Duration(float64(after-before) / elapsed.Seconds())
	f.Delivered = float64(len(late)*frameBytes*8) / elapsed.Seconds()
	f.P50, f.P99 = figure.Percentile(late, 0.50), figure.Percentile(late, 0.99)
	return nil
}

// unpaced measures how much gets through.
func (c *contender) unpaced(ctx context.Context, f *streamFigures) error {
	ws, err := c.stream(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { _ = ws.Close() }()
	frames, elapsed, err := receive(ws, filling)
	f.Most = float64(len(frames)*frameBytes*8) / elapsed.Seconds()
	return err
}

// stream opens one and lets its beginning pass.
func (c *contender) stream(ctx context.Context, hz int) (*websocket.Conn, error) {
	ws, err := c.dial(ctx, streamPath, fmt.Sprintf("bytes=%d&hz=%d", frameBytes, hz), streamBuffer)
	if err != nil {
		return nil, err
	}
	if _, _, err := receive(ws, settled); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return ws, nil
}

// receive takes frames for a while, and says how late each was and how long it all
// took.
func receive(ws *websocket.Conn, during time.Duration) (late []time.Duration, elapsed time.Duration, err error) {
	frame := make([]byte, frameBytes)
	began := time.Now()
	for elapsed < during {
		_ = ws.SetReadDeadline(time.Now().Add(answerWithin))
		kind, r, err := ws.NextReader()
		if err != nil {
			return nil, 0, err
		}
		if _, err := io.ReadFull(r, frame); err != nil {
			return nil, 0, err
		}
		now := time.Now()
		if n, _ := r.Read(make([]byte, 1)); n != 0 || kind != websocket.BinaryMessage {
			return nil, 0, fmt.Errorf("a message of type %d that is longer than a frame", kind)
		}
		late = append(late, now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(frame)))))
		elapsed = now.Sub(began)
	}
	return late, elapsed, nil
}
