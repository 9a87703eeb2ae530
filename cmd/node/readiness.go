package main

import (
	"context"
	"errors"
	"sync/atomic"
)

// readiness says whether desktops can be frozen: not before their pods are known, and not
// after the signal.
type readiness struct {
	stopping context.Context
	pods     atomic.Pointer[watches]
}

func (r *readiness) check() error {
	pods := r.pods.Load()
	switch {
	case r.stopping.Err() != nil:
		return errors.New("shutting down")
	case pods == nil || !pods.synced():
		return errors.New("the node's pods are still being listed")
	}
	return nil
}
