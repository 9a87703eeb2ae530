package warmpool

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// concurrency is of how many templates pools are kept at a time: one may wait for a node.
	concurrency = 4
	// reportsWaiting is how many templates' news may wait to be read.
	reportsWaiting = 1024
)

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return ofPool(o.(*corev1.Pod)) })
	return ctrl.NewControllerManagedBy(mgr).
		Named("warmpool").
		For(&v1alpha1.VDITemplate{}, builder.WithPredicates(session.ChangedTemplates())).
		Watches(&corev1.Pod{}, behind(), builder.WithPredicates(ours)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// behind has a pod's template looked at when nobody waits for anything else.
func behind() handler.EventHandler {
	later := func(q priority.Queue, o client.Object) {
		of := reconcile.Request{NamespacedName: types.NamespacedName{Name: o.GetLabels()[v1alpha1.LabelTemplate]}}
		priority.Add(q, priority.Background, 0, of)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q priority.Queue) { later(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q priority.Queue) { later(q, e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q priority.Queue) { later(q, e.Object) },
	}
}

// ofPool says that a pod waits in a warm pool, or was claimed from one.
func ofPool(pod *corev1.Pod) bool {
	by := metav1.GetControllerOf(pod)
	return workload.Waits(pod) || by != nil && by.Kind == v1alpha1.KindSession
}
