package main

import (
	"context"
	"errors"
	"sync/atomic"

	toolscache "k8s.io/client-go/tools/cache"
)

// readiness says whether visitors may come: not before the first listing is complete,
// because a session that is not listed yet would be denied, and not after the signal.
type readiness struct {
	stopping context.Context
	// listings is nil until the API server is there to list anything.
	listings atomic.Pointer[[]toolscache.InformerSynced]
}

// lists says what has to be listed first.
func (r *readiness) lists(listings []toolscache.InformerSynced) { r.listings.Store(&listings) }

// check returns nil, or why no visitor may come.
func (r *readiness) check() error {
	if r.stopping.Err() != nil {
		return errors.New("shutting down")
	}
	listings := r.listings.Load()
	if listings == nil {
		return errors.New("waiting for the API server")
	}
	for _, synced := range *listings {
		if !synced() {
			return errors.New("sessions and pods are still being listed")
		}
	}
	return nil
}

// await returns when every listing is complete; call it after lists.
func (r *readiness) await() error {
	if !toolscache.WaitForCacheSync(r.stopping.Done(), *r.listings.Load()...) {
		return errors.New("stopped before the first listing of sessions and pods was complete")
	}
	return nil
}
