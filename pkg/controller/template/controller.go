// Package template is the controller of VDITemplates: it says in a template's status
// whether desktops can be made of it, how many sessions it has, and what of it was changed
// last.
//
// It promises that a template at rest is not written, and that a storm of wakes is counted
// once every few seconds. It decides nothing of a session: what a pod is made of is
// pkg/workload's business, here as there, so that both say the same words. It makes nothing
// either, but for what keeps a template's images on nodes, which is pkg/controller/prepull's.
//
// Templates belong to the cluster and installations share them. Each writes what it knows
// as its own entry, and the rest of the status follows from all entries.
package template

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// settle is how long sessions are left to change before they are counted: no template
	// is written for them more often.
	settle = 5 * time.Second
	// conflictRetry is the pause before a status that another installation wrote meanwhile
	// is written anew.
	conflictRetry = time.Second
	// forbiddenRetry is how long an installation without the right to write templates'
	// status leaves them alone.
	forbiddenRetry = 10 * time.Minute
)

// PrePull keeps the images of templates on the nodes that may run them.
type PrePull interface {
	// Keep does so for a template whose desktops have this pod. It returns how far that is, and
	// when to ask again; 0 is when its DaemonSet changes.
	Keep(ctx context.Context, t *v1alpha1.VDITemplate, desktop *corev1.PodSpec) (*v1alpha1.TemplatePrePull, time.Duration)
	// Drop ends it for a template.
	Drop(ctx context.Context, template string) error
}

// WarmPools keep desktops of templates waiting for sessions.
type WarmPools interface {
	// Report is how a template's stand; nil where it has none. Changed brings those whose report
	// has changed.
	Report(template string) *v1alpha1.TemplateWarmPool
	Changed() <-chan event.TypedGenericEvent[string]
}

// Reconciler reconciles VDITemplates, one at a time.
type Reconciler struct {
	Client client.Client
	Config config.Config
	// PrePull keeps templates' images on nodes; nil does not.
	PrePull PrePull
	// WarmPools have desktops waiting; nil have none.
	WarmPools WarmPools
	// Now is the clock.
	Now func() time.Time

	// trials has what the API server last said of each template, by name.
	trials map[string]trial
	// silentUntil is when to try again to write.
	silentUntil time.Time
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vditemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vditemplates/status,verbs=patch

// Reconcile writes the status of one template where it changed.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &v1alpha1.VDITemplate{}
	if err := r.Client.Get(ctx, req.NamespacedName, t); err != nil {
		delete(r.trials, req.Name)
		if !apierrors.IsNotFound(err) || r.PrePull == nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		return ctrl.Result{}, r.PrePull.Drop(ctx, req.Name)
	}
	now := r.Now()
	if !t.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if now.Before(r.silentUntil) {
		return ctrl.Result{RequeueAfter: r.silentUntil.Sub(now)}, nil
	}
	before := t.DeepCopy()
	sessions, err := r.count(ctx, t)
	if err != nil {
		return ctrl.Result{}, err
	}
	v, shape, again := r.judge(ctx, t)
	pulled, soon, err := r.prePull(ctx, t, v, shape)
	if err != nil {
		return ctrl.Result{}, err
	}
	noteChange(t, now)
	setEntry(&t.Status, v1alpha1.TemplateInstallation{Name: Name(r.Config.Installation), ObservedGeneration: t.Generation,
		Valid: v.valid, Reason: v.reason, Message: v.message, Sessions: sessions, PrePull: pulled, WarmPool: r.warmPool(t.Name)})
	summarise(t, now)
	return r.write(ctx, before, t, sooner(again, soon))
}

// warmPool is what waits of a template; nil where nothing is to.
func (r *Reconciler) warmPool(template string) *v1alpha1.TemplateWarmPool {
	if r.WarmPools == nil {
		return nil
	}
	is := r.WarmPools.Report(template)
	if is != nil {
		is.Message = cut(is.Message)
	}
	return is
}

// prePull keeps the images of a template that is valid on nodes.
func (r *Reconciler) prePull(ctx context.Context, t *v1alpha1.VDITemplate, v verdict, shape workload.Shape) (*v1alpha1.TemplatePrePull, time.Duration, error) {
	switch {
	case r.PrePull == nil:
		return nil, 0, nil
	case v.valid != metav1.ConditionTrue:
		return nil, 0, r.PrePull.Drop(ctx, t.Name)
	}
	pulled, again := r.PrePull.Keep(ctx, t, &shape.Pod.Spec)
	pulled.Message = cut(pulled.Message)
	return pulled, again, nil
}

// sooner is the earlier of two times to come back, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// write patches the status where it changed, and returns when to come back.
func (r *Reconciler) write(ctx context.Context, before, t *v1alpha1.VDITemplate, again time.Duration) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: again}
	if equality.Semantic.DeepEqual(before.Status, t.Status) {
		return result, nil
	}
	// Locked: another installation's entry may have come meanwhile.
	err := r.Client.Status().Patch(ctx, t, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	case apierrors.IsForbidden(err):
		r.silentUntil = r.Now().Add(forbiddenRetry)
		ctrl.LoggerFrom(ctx).Info("templates' status is not written, because the right to patch vditemplates/status is missing",
			"retryAfter", forbiddenRetry.String(), "error", err.Error())
		return ctrl.Result{RequeueAfter: forbiddenRetry}, nil
	}
	return result, client.IgnoreNotFound(err)
}
