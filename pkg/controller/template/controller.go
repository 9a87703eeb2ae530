// Package template is the controller of VDITemplates: it says in a template's status
// whether desktops can be made of it, how many sessions it has, and what of it was changed
// last.
//
// It promises that a template at rest is not written, and that a storm of wakes is counted
// once every few seconds. It makes nothing, and decides nothing of a session: what a pod is
// made of is pkg/workload's business, here as there, so that both say the same words.
//
// Templates belong to the cluster and installations share them. Each writes what it knows
// as its own entry, and the rest of the status follows from all entries.
package template

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
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

// Reconciler reconciles VDITemplates, one at a time.
type Reconciler struct {
	Client client.Client
	Config config.Config
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
		return ctrl.Result{}, client.IgnoreNotFound(err)
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
	v, again := r.judge(ctx, t)
	noteChange(t, now)
	setEntry(&t.Status, v1alpha1.TemplateInstallation{Name: Name(r.Config.Installation), ObservedGeneration: t.Generation,
		Valid: v.valid, Reason: v.reason, Message: v.message, Sessions: sessions})
	summarise(t, now)
	return r.write(ctx, before, t, again)
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
