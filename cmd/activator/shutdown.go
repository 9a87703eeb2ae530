package main

import (
	"context"
	"net/http"
	"time"
)

const (
	// unreadyFor is how long the activator still accepts after it said that it is
	// not ready, so that load balancers have noticed.
	unreadyFor = 3 * time.Second
	// shutdownTimeout bounds the end of plain requests.
	shutdownTimeout = 15 * time.Second
)

// visited is what visitors are connected to: an activator.Server.
type visited interface {
	StopHolding()
	Drain(ctx context.Context)
}

// shutdown ends what serves visitors, in this order: readiness says no (it did when
// the signal came); load balancers notice; held clients are sent to
// another replica; the port closes and plain requests end; live connections go on
// until the last has ended or ctx ends.
func shutdown(ctx context.Context, public *http.Server, v visited) {
	select {
	case <-time.After(unreadyFor):
	case <-ctx.Done():
	}
	v.StopHolding()
	closing, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	_ = public.Shutdown(closing)
	v.Drain(ctx)
}
