package session

import (
	"context"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Clocks are the defaults of the sessions' clocks. They may change while sessions
// live, and then hold for all of them at once.
type Clocks struct {
	policy atomic.Pointer[lifecycle.Policy]
	// changed holds one event at most: who comes to it reads what holds by then.
	changed chan event.TypedGenericEvent[struct{}]
}

// NewClocks makes the defaults that hold until Set.
func NewClocks(p lifecycle.Policy) *Clocks {
	c := &Clocks{changed: make(chan event.TypedGenericEvent[struct{}], 1)}
	c.policy.Store(&p)
	return c
}

// Set makes p hold from now on, and every session be looked at again.
func (c *Clocks) Set(p lifecycle.Policy) {
	c.policy.Store(&p)
	select {
	case c.changed <- event.TypedGenericEvent[struct{}]{}:
	default:
	}
}

// Policy is what holds now.
func (c *Clocks) Policy() lifecycle.Policy { return *c.policy.Load() }

// source brings every session that all lists, whenever the defaults change.
func (c *Clocks) source(all func(context.Context) []reconcile.Request) source.TypedSource[reconcile.Request] {
	return source.TypedChannel(c.changed, handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, _ struct{}) []reconcile.Request { return all(ctx) }))
}
