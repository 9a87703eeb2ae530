package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// figures are one contender's in one round.
type figures struct {
	// Latency of messages at the fixed rate, and how many came back a second without
	// one.
	P50, P99 time.Duration
	Rate     float64
	// CPU is the proxy's processor time per message at the fixed rate.
	CPU time.Duration

	stream streamFigures
}

type streamFigures struct {
	// Delivered is what arrived of the paced stream, Most without a pace; bits a
	// second.
	Delivered, Most float64
	// How late frames of the paced stream had arrived.
	P50, P99 time.Duration
	// CPU is the proxy's processor time in a second of the paced stream.
	CPU time.Duration
}

func (f figures) String() string {
	s := fmt.Sprintf("p50 %4d us  p99 %5d us  %6.0f/s", f.P50.Microseconds(), f.P99.Microseconds(), f.Rate)
	if f.stream.Most == 0 {
		return s
	}
	return s + fmt.Sprintf("  stream %.1f Mbit/s p50 %4d us p99 %5d us, processor %4.1f ms/s, at most %5.0f Mbit/s", f.stream.Delivered/1e6,
		f.stream.P50.Microseconds(), f.stream.P99.Microseconds(), float64(f.stream.CPU.Microseconds())/1e3, f.stream.Most/1e6)
}

func (c *contender) measure(ctx context.Context) (f figures, err error) {
	if err = c.messages(ctx, &f); err != nil || !c.streams {
		return f, err
	}
	if err = c.paced(ctx, &f.stream); err != nil {
		return f, err
	}
	return f, c.unpaced(ctx, &f.stream)
}

// dial opens a WebSocket this contender's way.
func (c *contender) dial(ctx context.Context, path, query string, buffer int) (*websocket.Conn, error) {
	dialer := websocket.Dialer{ReadBufferSize: buffer, WriteBufferSize: buffer}
	at := url.URL{Scheme: "ws", Host: c.address, Path: path, RawQuery: query}
	ws, resp, err := dialer.DialContext(ctx, at.String(), c.header)
	if resp != nil && err != nil {
		err = fmt.Errorf("the upgrade was answered with %s", resp.Status)
	}
	return ws, err
}

// cpu is the processor time that the proxy has used.
func (c *contender) cpu() (sum time.Duration, err error) {
	for _, p := range c.processes {
		t, err := p.CPU()
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}
