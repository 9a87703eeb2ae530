// Package desktopnetwork keeps one NetworkPolicy in each namespace with sessions, which
// says who may reach desktops there and what they may reach.
//
// It knows nothing of what the policy says: that is the installation's configuration. A
// policy is there as long as a session is, awake or not, so that no desktop starts
// before it.
package desktopnetwork

import (
	"context"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// PolicyName is the policy's name in every namespace.
const PolicyName = "vdi-desktops"

// Reconciler keeps the policies.
type Reconciler struct {
	Client client.Client
	// Spec is the policy's; nil takes away those that were made.
	Spec *networkingv1.NetworkPolicySpec
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch

// Reconcile makes the policy of one namespace as it must be.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	sessions := &v1alpha1.VDISessionList{}
	if err := r.Client.List(ctx, sessions, client.InNamespace(req.Namespace), client.Limit(1), client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: PolicyName, Namespace: req.Namespace}}
	if r.Spec == nil || len(sessions.Items) == 0 {
		return ctrl.Result{}, r.remove(ctx, policy)
	}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, policy, func() error {
		if policy.ResourceVersion != "" && !ours(policy) {
			return foreign(req.Namespace)
		}
		metav1.SetMetaDataLabel(&policy.ObjectMeta, v1alpha1.LabelDesktopNetwork, "true")
		policy.Spec = *r.Spec.DeepCopy()
		return nil
	})
	switch {
	case apierrors.IsAlreadyExists(err):
		err = foreign(req.Namespace) // the cache has only ours
	case done == controllerutil.OperationResultCreated:
		log.FromContext(ctx).Info("made the network policy of a namespace's desktops")
	}
	return ctrl.Result{}, err
}

func (r *Reconciler) remove(ctx context.Context, policy *networkingv1.NetworkPolicy) error {
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !ours(policy) {
		return foreign(policy.Namespace)
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, policy, client.Preconditions{UID: &policy.UID}))
}

func ours(o client.Object) bool { return o.GetLabels()[v1alpha1.LabelDesktopNetwork] != "" }

// foreign is what is said of a policy that this package did not make. It is tried
// again, ever more rarely.
func foreign(namespace string) error {
	return fmt.Errorf("a NetworkPolicy %q exists in namespace %q and is not this product's, so desktops there are as open as it leaves "+
		"them; delete it, or set networkPolicy.enabled to false and keep your own", PolicyName, namespace)
}

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	comesOrGoes := predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
	return ctrl.NewControllerManagedBy(mgr).
		Named("desktopnetwork").
		For(&networkingv1.NetworkPolicy{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			return o.GetName() == PolicyName && ours(o)
		}))).
		Watches(&v1alpha1.VDISession{}, handler.EnqueueRequestsFromMapFunc(ofSession), builder.WithPredicates(comesOrGoes)).
		Complete(r)
}

func ofSession(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: PolicyName}}}
}
