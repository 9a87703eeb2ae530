package session

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// cleanUpRetry looks again at what is left of a deleted session, beside the events
// that say so.
const cleanUpRetry = 15 * time.Second

// cleanUp takes a deleted session's desktop away and releases its home: not before
// the last pod is gone, for it may still write there.
func (r *Reconciler) cleanUp(ctx context.Context, s *v1alpha1.VDISession) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s, v1alpha1.FinalizerCleanup) {
		return ctrl.Result{}, nil
	}
	remaining, err := r.Workload.Delete(ctx, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if remaining != "" {
		return ctrl.Result{RequeueAfter: cleanUpRetry}, r.terminating(ctx, s, "Waiting for "+remaining+" to be gone.")
	}
	template := &v1alpha1.VDITemplate{}
	if err := r.Client.Get(ctx, types.NamespacedName{Name: s.Spec.Template}, template); apierrors.IsNotFound(err) {
		template = nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.releaseHome(ctx, s, workload.ReclaimPolicy(template, s)); err != nil {
		return ctrl.Result{}, err
	}
	base := s.DeepCopy()
	controllerutil.RemoveFinalizer(s, v1alpha1.FinalizerCleanup)
	return ctrl.Result{}, client.IgnoreNotFound(r.Client.Patch(ctx, s, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})))
}

func (r *Reconciler) terminating(ctx context.Context, s *v1alpha1.VDISession, message string) error {
	base := s.DeepCopy()
	s.Status.Phase, s.Status.Message = v1alpha1.PhaseTerminating, message
	if equality.Semantic.DeepEqual(base.Status, s.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, s, client.MergeFrom(base)))
}
