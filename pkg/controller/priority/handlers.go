package priority

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Queue is a controller's.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// OfSessions brings what requests names for a session: at once where somebody waits for the
// desktop, and for the sleeping ones that are found at the start, little by little.
func OfSessions(now func() time.Time, requests handler.MapFunc) handler.EventHandler {
	var found atomic.Int64
	changed := func(ctx context.Context, o client.Object, q Queue) {
		place := max(Ordinary, Of(now(), o.(*v1alpha1.VDISession)))
		Add(q, place, 0, requests(ctx, o)...)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q Queue) {
			if !e.IsInInitialList {
				changed(ctx, e.Object, q)
				return
			}
			place, after := Of(now(), e.Object.(*v1alpha1.VDISession)), time.Duration(0)
			if place == Background {
				after = pause(int(found.Add(1)))
			}
			Add(q, place, after, requests(ctx, e.Object)...)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q Queue) { changed(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q Queue) { changed(ctx, e.Object, q) },
	}
}

// OfMany brings the many requests of one change behind everything else, and little by
// little.
func OfMany[T any](requests handler.TypedMapFunc[T, reconcile.Request]) handler.TypedEventHandler[T, reconcile.Request] {
	all := func(ctx context.Context, o T, q Queue) {
		for i, r := range requests(ctx, o) {
			Add(q, Background, pause(i), r)
		}
	}
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc:  func(ctx context.Context, e event.TypedCreateEvent[T], q Queue) { all(ctx, e.Object, q) },
		UpdateFunc:  func(ctx context.Context, e event.TypedUpdateEvent[T], q Queue) { all(ctx, e.ObjectNew, q) },
		DeleteFunc:  func(ctx context.Context, e event.TypedDeleteEvent[T], q Queue) { all(ctx, e.Object, q) },
		GenericFunc: func(ctx context.Context, e event.TypedGenericEvent[T], q Queue) { all(ctx, e.Object, q) },
	}
}

// Add queues requests at a place, after a pause. It takes the queue for what every controller
// of the manager has.
func Add(q Queue, place int, after time.Duration, requests ...reconcile.Request) {
	q.(priorityqueue.PriorityQueue[reconcile.Request]).AddWithOpts(priorityqueue.AddOpts{Priority: &place, After: after}, requests...)
}

// SinceStart leaves out what exists when the controller starts. It is for kinds whose
// objects belong to sessions: those are found themselves.
func SinceStart() predicate.Predicate {
	return predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}
}
