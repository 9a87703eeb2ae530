package session

import (
	"context"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/priority"
)

// Clocks are the defaults of the sessions' clocks. They may change while sessions
// live, and then hold for all at once.
type Clocks struct {
	defaults atomic.Pointer[v1alpha1.Lifecycle]
	// changed holds one event at most: its reader reads the latest defaults.
	changed chan event.TypedGenericEvent[struct{}]
}

// NewClocks starts with these defaults.
func NewClocks(defaults v1alpha1.Lifecycle) *Clocks {
	c := &Clocks{changed: make(chan event.TypedGenericEvent[struct{}], 1)}
	c.defaults.Store(&defaults)
	return c
}

// Set replaces the defaults and queues every session.
func (c *Clocks) Set(defaults v1alpha1.Lifecycle) {
	c.defaults.Store(&defaults)
	c.Look()
}

// Look queues every session, for what moves the clocks of all.
func (c *Clocks) Look() {
	select {
	case c.changed <- event.TypedGenericEvent[struct{}]{}:
	default:
	}
}

// Defaults are the present ones.
func (c *Clocks) Defaults() v1alpha1.Lifecycle { return *c.defaults.Load() }

// source brings every session that all lists, whenever the defaults change or Look is called.
func (c *Clocks) source(all func(context.Context) []reconcile.Request) source.TypedSource[reconcile.Request] {
	return source.TypedChannel(c.changed, priority.OfMany(
		func(ctx context.Context, _ struct{}) []reconcile.Request { return all(ctx) }))
}
