package template

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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
	return ctrl.NewControllerManagedBy(mgr).
		Named("template").
		// Its own writes would have sessions counted at once.
		For(&v1alpha1.VDITemplate{}, builder.WithPredicates(session.ChangedTemplates())).
		Watches(&v1alpha1.VDISession{}, recount(), builder.WithPredicates(otherPhase)).
		// trials and silentUntil have no lock.
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
}

// recount has a template's sessions counted once they had time to settle, however many change
// meanwhile, and after the templates that changed themselves.
func recount() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q priority.Queue) { later(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q priority.Queue) { later(q, e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q priority.Queue) { later(q, e.Object) },
	}
}

func later(q priority.Queue, s client.Object) {
	template := reconcile.Request{NamespacedName: types.NamespacedName{Name: s.(*v1alpha1.VDISession).Spec.Template}}
	priority.Add(q, priority.Background, settle, template)
}
