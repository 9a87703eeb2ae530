// Package ingress is the Knative ingress class activator.vdi.kasm.io: it reports
// to Knative that the traffic of a session's Service goes to the activator.
//
// It programs nothing. The activator finds sessions by itself; this package only
// says so in the status of Knative's internal Ingress, so that no other ingress is
// needed and the cluster's default is left alone.
package ingress

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"knative.dev/networking/pkg/apis/networking"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/claims"
)

// Claims knows which installation serves a namespace.
type Claims interface {
	// Other is another installation that serves it; empty where this one does.
	Other(ctx context.Context, namespace string) (string, error)
}

// Reconciler marks the Ingresses of this product's class as ready.
type Reconciler struct {
	Client client.Client
	// ActivatorHost is the activator's name inside the cluster.
	ActivatorHost string
	// Claims says whose activator it is that a namespace's traffic goes to; nil is ours.
	Claims Claims
}

// +kubebuilder:rbac:groups=networking.internal.knative.dev,resources=ingresses,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.internal.knative.dev,resources=ingresses/status,verbs=get;update;patch

// Reconcile writes one Ingress's status.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ing := &netv1alpha1.Ingress{}
	if err := r.Client.Get(ctx, req.NamespacedName, ing); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !ours(ing) || !ing.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if r.Claims != nil {
		if other, err := r.Claims.Other(ctx, ing.Namespace); err != nil || other != "" {
			return ctrl.Result{RequeueAfter: claims.LookAgain}, err
		}
	}
	changed := ing.DeepCopy()
	r.markReady(changed)
	if equality.Semantic.DeepEqual(ing.Status, changed.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Client.Status().Patch(ctx, changed, client.MergeFrom(ing)))
}

func (r *Reconciler) markReady(ing *netv1alpha1.Ingress) {
	ing.Status.InitializeConditions()
	ing.Status.ObservedGeneration = ing.Generation
	activator := []netv1alpha1.LoadBalancerIngressStatus{{DomainInternal: r.ActivatorHost}}
	ing.Status.MarkNetworkConfigured()
	ing.Status.MarkLoadBalancerReady(activator, activator)
}

func ours(o client.Object) bool {
	return networking.GetIngressClass(o.GetAnnotations()) == v1alpha1.IngressClass
}

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("ingress").
		For(&netv1alpha1.Ingress{}, builder.WithPredicates(predicate.NewPredicateFuncs(ours))).
		Complete(r)
}
