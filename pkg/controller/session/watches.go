package session

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/priority"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// IndexTemplate finds the sessions of a template, indexHome those that share a
	// home.
	IndexTemplate = "spec.template"
	indexHome     = "home"

	// concurrency lets many desktops wake at once: a wake waits for the API server, not for
	// this program's processor.
	concurrency = 64
)

// SetupWithManager starts the controller together with the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	for name, value := range map[string]func(*v1alpha1.VDISession) string{
		IndexTemplate: func(s *v1alpha1.VDISession) string { return s.Spec.Template },
		indexHome:     func(s *v1alpha1.VDISession) string { return workload.HomeName(s.Spec.User, s.Spec.Template) },
	} {
		err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.VDISession{}, name, func(o client.Object) []string {
			return []string{value(o.(*v1alpha1.VDISession))}
		})
		if err != nil {
			return fmt.Errorf("index sessions by %s: %w", name, err)
		}
	}
	for name, values := range map[string]func(*v1alpha1.VDISession) []string{indexDoze: dozeIndex, indexWaits: waitsIndex} {
		err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.VDISession{}, name, func(o client.Object) []string {
			return values(o.(*v1alpha1.VDISession))
		})
		if err != nil {
			return fmt.Errorf("index sessions by %s: %w", name, err)
		}
	}
	deletions := predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(event.UpdateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
	// A session's objects that exist at the start bring nothing that the session itself does not.
	later := builder.WithPredicates(priority.SinceStart())
	b := ctrl.NewControllerManagedBy(mgr).
		Named("session").
		Watches(&v1alpha1.VDISession{}, priority.OfSessions(r.Now, itself)).
		Watches(&v1alpha1.VDITemplate{}, priority.OfMany(r.ofTemplate), later, builder.WithPredicates(ChangedTemplates())).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.ofHome), later).
		// A session that is gone no longer holds its home.
		Watches(&v1alpha1.VDISession{}, handler.EnqueueRequestsFromMapFunc(r.ofSameHome), builder.WithPredicates(deletions)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(ofLabel), later).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency})
	for _, o := range r.Workload.Watched() {
		b = b.Watches(o, handler.EnqueueRequestsFromMapFunc(ofLabel), later)
	}
	if r.Programs != nil {
		if err := mgr.Add(manager.RunnableFunc(r.relieveNodes)); err != nil { // of the leader alone
			return fmt.Errorf("look at nodes: %w", err)
		}
		b = b.Watches(&v1alpha1.VDISession{}, handler.EnqueueRequestsFromMapFunc(r.waiting), builder.WithPredicates(dozeChanges())).
			WatchesRawSource(source.TypedChannel(r.Programs.Changed(), handler.TypedEnqueueRequestsFromMapFunc(r.onNodes)))
	}
	if r.Namespaces != nil {
		b = b.WatchesRawSource(source.TypedChannel(r.Namespaces.Begun(), handler.TypedEnqueueRequestsFromMapFunc(r.ofNamespace)))
	}
	all := func(ctx context.Context) []reconcile.Request { return r.sessions(ctx) }
	return b.WatchesRawSource(r.Defaults.source(all)).Complete(r)
}

func itself(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// ChangedTemplates leaves out what operators write of templates. A change of an annotation is
// one: what kubectl apply left out of podTemplate is known by it alone.
func ChangedTemplates() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
}

func ofLabel(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetLabels()[v1alpha1.LabelSession]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

func (r *Reconciler) ofNamespace(ctx context.Context, name string) []reconcile.Request {
	return r.sessions(ctx, client.InNamespace(name))
}

func (r *Reconciler) ofTemplate(ctx context.Context, o client.Object) []reconcile.Request {
	return r.sessions(ctx, client.MatchingFields{IndexTemplate: o.GetName()})
}

func (r *Reconciler) ofHome(ctx context.Context, o client.Object) []reconcile.Request {
	return r.sessions(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexHome: o.GetName()})
}

func (r *Reconciler) ofSameHome(ctx context.Context, o client.Object) []reconcile.Request {
	s := o.(*v1alpha1.VDISession)
	return r.sessions(ctx, client.InNamespace(s.Namespace), client.MatchingFields{indexHome: workload.HomeName(s.Spec.User, s.Spec.Template)})
}

func (r *Reconciler) sessions(ctx context.Context, which ...client.ListOption) []reconcile.Request {
	list := &v1alpha1.VDISessionList{}
	if err := r.Client.List(ctx, list, append(which, client.UnsafeDisableDeepCopy)...); err != nil { // only names are read
		ctrl.LoggerFrom(ctx).Error(err, "cannot list sessions")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
