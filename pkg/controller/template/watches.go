package template

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/priority"
	"github.com/org/vdi-operator/pkg/controller/session"
)

// SetupWithManager starts the controller together with the manager. It finds the sessions of
// a template by the index that the session controller makes.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	otherPhase := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.(*v1alpha1.VDISession).Status.Phase != e.ObjectNew.(*v1alpha1.VDISession).Status.Phase
	}}
	c := ctrl.NewControllerManagedBy(mgr).
		Named("template").
		// Its own writes would have sessions counted at once.
		For(&v1alpha1.VDITemplate{}, builder.WithPredicates(session.ChangedTemplates())).
		Watches(&v1alpha1.VDISession{}, settled(templateOfSession), builder.WithPredicates(otherPhase)).
		// trials and silentUntil have no lock.
		WithOptions(controller.Options{MaxConcurrentReconciles: 1})
	if r.PrePull != nil {
		// Those of templates that went while no operator ran are found at the start.
		c.Watches(&appsv1.DaemonSet{}, settled(templateOfDaemonSet))
	}
	if r.WarmPools != nil {
		c.WatchesRawSource(source.TypedChannel(r.WarmPools.Changed(), settled(func(name string) string { return name })))
	}
	return c.Complete(r)
}

// settled has a template looked at once what belongs to it had time to settle, however much
// changes meanwhile, and after the templates that changed themselves.
func settled[T any](template func(T) string) handler.TypedEventHandler[T, reconcile.Request] {
	later := func(q priority.Queue, o T) {
		of := reconcile.Request{NamespacedName: types.NamespacedName{Name: template(o)}}
		priority.Add(q, priority.Background, settle, of)
	}
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc:  func(_ context.Context, e event.TypedCreateEvent[T], q priority.Queue) { later(q, e.Object) },
		UpdateFunc:  func(_ context.Context, e event.TypedUpdateEvent[T], q priority.Queue) { later(q, e.ObjectNew) },
		DeleteFunc:  func(_ context.Context, e event.TypedDeleteEvent[T], q priority.Queue) { later(q, e.Object) },
		GenericFunc: func(_ context.Context, e event.TypedGenericEvent[T], q priority.Queue) { later(q, e.Object) },
	}
}

func templateOfSession(o client.Object) string { return o.(*v1alpha1.VDISession).Spec.Template }

func templateOfDaemonSet(o client.Object) string { return o.GetLabels()[v1alpha1.LabelTemplate] }
