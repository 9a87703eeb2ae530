package autoscaler

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
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
)

const (
	// indexSession finds the PodAutoscalers of a session.
	indexSession = "session"

	// concurrency lets many desktops wake at once: a wake waits for the API server,
	// not for this program's processor.
	concurrency = 16
)

// sessionOf is the name of the session that an object of Knative's works for. A
// session's Service has its name.
func sessionOf(o client.Object) string { return o.GetLabels()[serving.ServiceLabelKey] }

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &autoscalingv1alpha1.PodAutoscaler{}, indexSession, func(o client.Object) []string {
		return []string{sessionOf(o)}
	})
	if err != nil {
		return fmt.Errorf("index PodAutoscalers by session: %w", err)
	}
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		pa, ok := o.(*autoscalingv1alpha1.PodAutoscaler)
		return ok && pa.Class() == v1alpha1.PodAutoscalerClass
	})
	gone := predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(event.UpdateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("autoscaler").
		For(&autoscalingv1alpha1.PodAutoscaler{}, builder.WithPredicates(ours)).
		Owns(&netv1alpha1.ServerlessService{}).
		// A session and its Service have one name.
		Watches(&v1alpha1.VDISession{}, priority.OfSessions(r.Now, r.ofSession)).
		Watches(&servingv1.Service{}, handler.EnqueueRequestsFromMapFunc(r.ofSession)).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(ofDeployment)).
		// A pod that is gone has let go of its home.
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.ofPod), builder.WithPredicates(gone)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

func (r *Reconciler) ofSession(ctx context.Context, o client.Object) []reconcile.Request {
	return r.of(ctx, o.GetNamespace(), o.GetName())
}

func (r *Reconciler) ofPod(ctx context.Context, o client.Object) []reconcile.Request {
	return r.of(ctx, o.GetNamespace(), o.GetLabels()[v1alpha1.LabelSession])
}

// of is the PodAutoscalers of a session.
func (r *Reconciler) of(ctx context.Context, namespace, session string) []reconcile.Request {
	pas := &autoscalingv1alpha1.PodAutoscalerList{}
	if err := r.Client.List(ctx, pas, client.InNamespace(namespace), client.MatchingFields{indexSession: session}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot list the PodAutoscalers of a session", "session", session)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(pas.Items))
	for i := range pas.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&pas.Items[i])})
	}
	return requests
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
