package main

import (
	"context"
	"errors"

	toolscache "k8s.io/client-go/tools/cache"
)

// readiness says whether visitors may come: not before the first listing is whole,
// for a session that is not listed yet would be denied, and not once the program was
// told to end.
type readiness struct {
	stopping context.Context
	listings []toolscache.InformerSynced
}

func newReadiness(stopping context.Context, listings []toolscache.ResourceEventHandlerRegistration) readiness {
	r := readiness{stopping: stopping}
	for _, l := range listings {
		r.listings = append(r.listings, l.HasSynced)
	}
	return r
}

// check returns nil, or why no visitor may come.
func (r readiness) check() error {
	if r.stopping.Err() != nil {
		return errors.New("shutting down")
	}
	for _, synced := range r.listings {
		if !synced() {
			return errors.New("sessions and pods are still being listed")
		}
	}
	return nil
}

// await returns when every listing is whole.
func (r readiness) await() error {
	if !toolscache.WaitForCacheSync(r.stopping.Done(), r.listings...) {
		return errors.New("stopped before the first listing of sessions and pods was complete")
	}
	return nil
}
