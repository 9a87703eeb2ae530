package main

import (
	"context"
	"time"
)

// shutdownTimeout bounds the end of plain requests.
const shutdownTimeout = 15 * time.Second

// visited is what visitors are connected to: an activator.Server.
type visited interface {
	StopHolding()
	Drain(ctx context.Context)
}

// shutdown ends what serves visitors, in this order: readiness says no (it did when
// the signal came); for the time of delay, load balancers notice, still send requests, and
// are told to keep no connection; held clients are sent to another replica; the port closes
// and plain requests end; live connections go on until the last has ended or ctx ends.
func shutdown(ctx context.Context, delay time.Duration, in entrance, v visited) {
	in.Retire()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	v.StopHolding()
	closing, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	_ = in.server.Shutdown(closing)
	v.Drain(ctx)
}
