// Package desktopnamespace keeps what each namespace with sessions, or a warm pool, has one of: a
// NetworkPolicy, which says who may reach desktops there and what they may reach, and a
// PodDisruptionBudget, which lets nobody evict a desktop in use.
//
// It knows nothing of what the policy says: that is the installation's configuration. Both
// are there as long as a session is, awake or not, so that no desktop starts before them.
package desktopnamespace

import (
	"context"
	"errors"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/watched"
)

// Name is the policy's and the budget's name in every namespace.
const Name = "vdi-desktops"

// conflictRetry is the pause before an object that somebody else wrote at the same moment is
// looked at once more.
const conflictRetry = time.Second

// Namespaces knows which namespaces are being deleted.
type Namespaces interface {
	Ending(namespace string) bool
}

// Claims knows which installation serves a namespace.
type Claims interface {
	// Other is another installation that serves it; empty where this one does.
	Other(ctx context.Context, namespace string) (string, error)
	// Release gives one without sessions free.
	Release(ctx context.Context, namespace string) error
}

// Reconciler keeps the policies and the budgets.
type Reconciler struct {
	Client client.Client
	// API reads from the API server itself: the cache may be behind what this package made
	// a moment ago.
	API client.Reader
	// NetworkPolicy is the policies' spec; nil takes away those that were made.
	NetworkPolicy *networkingv1.NetworkPolicySpec
	// ProtectFromEviction makes the budgets; false takes away those that were made.
	ProtectFromEviction bool
	// Serves are the only namespaces that the installation serves; none is all.
	Serves []string
	// Namespaces says which are being deleted, with all in them; nil knows none.
	Namespaces Namespaces
	// Claims says which are another installation's; nil knows none.
	Claims Claims
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch

// Reconcile makes the objects of one namespace as they must be. One that cannot be made
// keeps no other from being made.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if r.Namespaces != nil && r.Namespaces.Ending(req.Namespace) {
		return ctrl.Result{}, nil
	}
	desktops, err := r.desktops(ctx, req.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	if other, err := r.other(ctx, req.Namespace, desktops); err != nil || other {
		return ctrl.Result{RequeueAfter: claims.LookAgain}, err
	}
	var errs []error
	again := time.Duration(0)
	for _, o := range []object{r.networkPolicy(req.Namespace), r.disruptionBudget(req.Namespace)} {
		o.wanted = o.wanted && desktops
		switch err := r.settle(ctx, o); {
		case apierrors.IsConflict(err): // somebody else wrote at the same moment
			again = conflictRetry
		case watched.EndingError(err): // and takes both along
		default:
			errs = append(errs, err)
		}
	}
	return ctrl.Result{RequeueAfter: again}, errors.Join(errs...)
}

// desktops is whether there may be any in a namespace: it has sessions, or a template keeps some
// waiting there.
func (r *Reconciler) desktops(ctx context.Context, namespace string) (bool, error) {
	sessions, templates := &v1alpha1.VDISessionList{}, &v1alpha1.VDITemplateList{}
	err := r.Client.List(ctx, sessions, client.InNamespace(namespace), client.Limit(1), client.UnsafeDisableDeepCopy)
	if err != nil || len(sessions.Items) > 0 {
		return true, err
	}
	err = r.Client.List(ctx, templates, client.UnsafeDisableDeepCopy)
	return slices.ContainsFunc(templates.Items, func(t v1alpha1.VDITemplate) bool {
		return t.Spec.WarmPool != nil && t.DeletionTimestamp.IsZero() && slices.Contains(t.Spec.WarmPool.Namespaces, namespace)
	}), err
}

// other is whether another installation serves the namespace. What is left in one without
// desktops is taken away all the same.
func (r *Reconciler) other(ctx context.Context, namespace string, desktops bool) (bool, error) {
	if r.Claims == nil {
		return false, nil
	}
	if !desktops {
		return false, r.Claims.Release(ctx, namespace)
	}
	other, err := r.Claims.Other(ctx, namespace)
	return other != "", err
}

func (r *Reconciler) settle(ctx context.Context, o object) error {
	if !o.wanted {
		return r.remove(ctx, o)
	}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, o.Object, func() error {
		if o.GetResourceVersion() != "" && !ours(o.Object) {
			return o.foreign()
		}
		o.SetLabels(labels.Merge(o.GetLabels(), map[string]string{o.label: "true"}))
		o.specify()
		return nil
	})
	switch {
	case apierrors.IsAlreadyExists(err):
		return r.existing(ctx, o) // the cache has only ours
	case done == controllerutil.OperationResultCreated:
		log.FromContext(ctx).Info("made an object of a namespace's desktops", "kind", o.kind)
	}
	return err
}

// existing judges an object that exists although the cache has none. One of ours is another
// pass's, of a moment ago: the watch brings it, and this package looks at it then.
func (r *Reconciler) existing(ctx context.Context, o object) error {
	err := r.API.Get(ctx, client.ObjectKeyFromObject(o), o.Object)
	if err == nil && !ours(o.Object) {
		return o.foreign()
	}
	return client.IgnoreNotFound(err)
}

// remove leaves alone what somebody else has made.
func (r *Reconciler) remove(ctx context.Context, o object) error {
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(o), o.Object); err != nil || !ours(o.Object) {
		return client.IgnoreNotFound(err)
	}
	uid := o.GetUID()
	return client.IgnoreNotFound(r.Client.Delete(ctx, o.Object, client.Preconditions{UID: &uid}))
}

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager) error {
	comesOrGoes := predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
	// A budget's status changes with each pod.
	changes := predicate.And(predicate.NewPredicateFuncs(ours), predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("desktopnamespace").
		Watches(&networkingv1.NetworkPolicy{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(changes)).
		Watches(&policyv1.PodDisruptionBudget{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(changes)).
		Watches(&v1alpha1.VDISession{}, handler.EnqueueRequestsFromMapFunc(ofSession), builder.WithPredicates(comesOrGoes)).
		Watches(&v1alpha1.VDITemplate{}, handler.EnqueueRequestsFromMapFunc(r.ofTemplate), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// ofTemplate are the namespaces in which a template keeps desktops waiting, before and after a
// change of it, that are this installation's.
func (r *Reconciler) ofTemplate(_ context.Context, o client.Object) (all []reconcile.Request) {
	w := o.(*v1alpha1.VDITemplate).Spec.WarmPool
	if w == nil {
		return nil
	}
	for _, namespace := range w.Namespaces {
		if len(r.Serves) == 0 || slices.Contains(r.Serves, namespace) {
			all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: Name}})
		}
	}
	return all
}

func ofSession(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: Name}}}
}

func named(namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: Name, Namespace: namespace}
}
