package desktops

import (
	"context"
	"errors"
	"time"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/cgroup"
)

// looksPerPulse is how often, between two pulses, it is looked whose turn it is.
const looksPerPulse = 16

// Run thaws each frozen desktop for a moment now and then, and for good where its session does
// not say any more that it dozes. It returns when ctx ends.
func (ds *Desktops) Run(ctx context.Context) {
	every := time.NewTicker(max(ds.PulseEvery/looksPerPulse, time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			ds.pulseAll()
		}
	}
}

func (ds *Desktops) pulseAll() {
	now := ds.Now()
	for _, d := range ds.all() {
		d.mu.Lock()
		due := d.frozen != nil && !now.Before(d.pulse)
		if due {
			d.pulse = now.Add(ds.PulseEvery)
		}
		unknown := d.pod.Name == ""
		turn := d.turn
		d.mu.Unlock()
		switch {
		case due:
			ds.background(func(ctx context.Context) { ds.pulseOne(ctx, d, turn) })
		case unknown:
			ds.forget(d)
		}
	}
}

// forget drops what an order to thaw left of a pod that the API server never showed, once the
// node has no such pod.
func (ds *Desktops) forget(d *desktop) {
	if _, err := ds.Root.Containers(d.uid); errors.Is(err, cgroup.ErrNone) {
		ds.mu.Lock()
		delete(ds.pods, d.uid)
		ds.mu.Unlock()
	}
}

// pulseOne lets a desktop run for a moment, and freezes it again unless an order came.
func (ds *Desktops) pulseOne(ctx context.Context, d *desktop, turn uint64) {
	says, err := ds.ask(ctx, d)
	if err != nil {
		ds.Log.Debug("a session could not be read; its desktop stays frozen", "pod", d.uid, "error", err)
		says = Dozes
	}
	d.lockToThaw()
	if d.turn != turn {
		d.mu.Unlock()
		return
	}
	if says != Dozes {
		ds.thawOwn(d, metrics.ThawNotDozing, "its session does not say that it dozes")
		d.mu.Unlock()
		return
	}
	c := *d.frozen
	err = c.Thaw(ctx)
	d.mu.Unlock()
	switch {
	case errors.Is(err, cgroup.ErrNone): // its pod's end is seen soon
		return
	case err != nil:
		ds.Log.Error("a desktop could not be thawed for a moment", "pod", d.uid, "error", err)
		return
	}
	ds.Metrics.ThawedOwn(metrics.ThawPulse)
	select {
	case <-ctx.Done():
	case <-time.After(ds.PulseFor):
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turn != turn || d.frozen == nil || ds.ending() {
		return
	}
	if err := ds.stop(ctx, d, c); err != nil {
		ds.Log.Warn("a desktop could not be frozen again; it runs until the next pulse", "pod", d.uid, "error", err)
	}
}
