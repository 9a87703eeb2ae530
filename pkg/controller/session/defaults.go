package session

import (
	"context"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/priority"
)

// Defaults are what holds for sessions whose template and spec say nothing. They may change
// while sessions live, and then hold for all at once.
type Defaults struct {
	now atomic.Pointer[config.Sessions]
	// changed holds one event at most: its reader reads the latest defaults.
	changed chan event.TypedGenericEvent[struct{}]
}

// NewDefaults starts with these.
func NewDefaults(now config.Sessions) *Defaults {
	d := &Defaults{changed: make(chan event.TypedGenericEvent[struct{}], 1)}
	d.now.Store(&now)
	return d
}

// Set replaces them and queues every session.
func (d *Defaults) Set(now config.Sessions) {
	d.now.Store(&now)
	d.Look()
}

// Look queues every session, for what moves the clocks of all.
func (d *Defaults) Look() {
	select {
	case d.changed <- event.TypedGenericEvent[struct{}]{}:
	default:
	}
}

// Now are the present ones.
func (d *Defaults) Now() config.Sessions { return *d.now.Load() }

// source brings every session that all lists, whenever they change or Look is called.
func (d *Defaults) source(all func(context.Context) []reconcile.Request) source.TypedSource[reconcile.Request] {
	return source.TypedChannel(d.changed, priority.OfMany(
		func(ctx context.Context, _ struct{}) []reconcile.Request { return all(ctx) }))
}
