package autoscaler

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/serving"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// concurrency lets many revisions be reported at once: each waits for the API server.
const concurrency = 16

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		pa, ok := o.(*autoscalingv1alpha1.PodAutoscaler)
		return ok && pa.Class() == v1alpha1.PodAutoscalerClass
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("autoscaler").
		For(&autoscalingv1alpha1.PodAutoscaler{}, builder.WithPredicates(ours)).
		Owns(&netv1alpha1.ServerlessService{}).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(ofDeployment)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// ofDeployment is the PodAutoscaler of a revision's deployment: both are named
// after the revision.
func ofDeployment(_ context.Context, o client.Object) []reconcile.Request {
	revision := o.GetLabels()[serving.RevisionLabelKey]
	if revision == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: revision}}}
}
