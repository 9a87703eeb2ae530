package session

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/workload"
)

// cleanUpRetry is how often the rest of a deleted session is checked, beside the events
// that report it.
const cleanUpRetry = 15 * time.Second

// cleanUp takes a deleted session's desktop away and releases its home: not before
// the last pod is gone, for it may still write there.
func (r *Reconciler) cleanUp(ctx context.Context, s *v1alpha1.VDISession) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s, v1alpha1.FinalizerCleanup) {
		return ctrl.Result{}, nil
	}
	if d := s.Status.Doze; d != nil { // SIGTERM is for who runs; the program thaws what ends, too
		if err := r.thawed(ctx, s, d, r.Now()); err != nil {
			ctrl.LoggerFrom(ctx).Info("a dozing desktop was not thawed before its end", "error", err.Error())
		}
	}
	r.failedFreezes.Delete(client.ObjectKeyFromObject(s))
	r.toldToFreeze.Delete(client.ObjectKeyFromObject(s))
	remaining, err := r.Workload.Delete(ctx, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if remaining != "" {
		overdue, err := workload.Overdue(ctx, r.Client, s, r.Now())
		if err != nil {
			return ctrl.Result{}, err
		}
		message := "Waiting for " + remaining + " to be gone."
		if overdue != "" {
			message = strings.TrimSuffix(message, ".") + ": " + overdue
		}
		return ctrl.Result{RequeueAfter: cleanUpRetry}, r.terminating(ctx, s, message)
	}
	// A pod of a lost node keeps its home from every other desktop, and the claim from being
	// deleted, whether the session is there or not.
	abandoned, err := workload.Abandoned(ctx, r.Client, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := LetGo(ctx, r.Client, s); err != nil {
		return ctrl.Result{}, err
	}
	r.Audit.Event(audit.Event{Event: audit.Delete, Via: audit.ViaOperator}.Of(s))
	if abandoned != "" {
		r.Events.Eventf(s, nil, corev1.EventTypeWarning, v1alpha1.ReasonNodeLost, "CleanUp", "%s", abandoned)
	}
	return ctrl.Result{}, nil
}

// LetGo releases or deletes a deleted session's home, as its reclaim policy says, deletes its
// tokens and removes the finalizer: for when nothing of its desktop is left.
func LetGo(ctx context.Context, c client.Client, s *v1alpha1.VDISession) error {
	template := &v1alpha1.VDITemplate{}
	if err := c.Get(ctx, types.NamespacedName{Name: s.Spec.Template}, template); apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		template = nil
	} else if err != nil {
		return err
	}
	if err := releaseHome(ctx, c, s, workload.ReclaimPolicy(template, s)); err != nil {
		return err
	}
	// Kubernetes' garbage collector may find the Secret many minutes later, where the API server has restarted.
	if err := dropPodTokens(ctx, c, s); err != nil {
		return err
	}
	return RemoveFinalizer(ctx, c, s)
}

// RemoveFinalizer lets a session go, or be deleted without the
// operator. It fails with a conflict where somebody has written to the session since.
func RemoveFinalizer(ctx context.Context, c client.Client, s *v1alpha1.VDISession) error {
	base := s.DeepCopy()
	if !controllerutil.RemoveFinalizer(s, v1alpha1.FinalizerCleanup) {
		return nil
	}
	return client.IgnoreNotFound(c.Patch(ctx, s, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})))
}

// namespaceEnds is said of sessions in a namespace that is being deleted.
const namespaceEnds = "The session's namespace is being deleted, and the session with it."

// letGo releases a session whose namespace is being deleted. Kubernetes takes away all that is
// in there, in any order: desktop, home, and this operator's rights. A finalizer that outlives
// these keeps the namespace for ever.
func (r *Reconciler) letGo(ctx context.Context, s *v1alpha1.VDISession) error {
	had := controllerutil.ContainsFinalizer(s, v1alpha1.FinalizerCleanup)
	err := RemoveFinalizer(ctx, r.Client, s)
	if err == nil && had {
		r.Audit.Event(audit.Event{Event: audit.Delete, Via: audit.ViaOperator}.Of(s))
	}
	if err == nil {
		err = r.terminating(ctx, s, namespaceEnds)
	}
	if apierrors.IsForbidden(err) { // the rights have gone before
		return nil
	}
	return err
}

// terminating says that a session goes.
func (r *Reconciler) terminating(ctx context.Context, s *v1alpha1.VDISession, message string) error {
	base := s.DeepCopy()
	s.Status.Phase, s.Status.Message, s.Status.Waiting = v1alpha1.PhaseTerminating, message, nil
	s.Status.Doze = nil
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionDesktopReady} {
		meta.SetStatusCondition(&s.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionFalse,
			Reason: v1alpha1.ReasonTerminating, Message: message, ObservedGeneration: s.Generation})
	}
	if equality.Semantic.DeepEqual(base.Status, s.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, s, client.MergeFrom(base)))
}
