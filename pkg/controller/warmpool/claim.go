package warmpool

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/workload"
)

var _ session.Pool = (*Reconciler)(nil)

// Take gives a session, whose desktop would start from zero, a pod that waits for one of its shape.
// It is nil where there is none, or something of the session runs already.
//
// The desktop is thawed before it is claimed: whoever ends at any point leaves no session with a
// frozen desktop, and a pod that was thawed in vain is frozen again.
func (r *Reconciler) Take(ctx context.Context, s *v1alpha1.VDISession, t *v1alpha1.VDITemplate, shape workload.Shape) (*corev1.Pod, error) {
	if t.Spec.WarmPool == nil || !slices.Contains(t.Spec.WarmPool.Namespaces, s.Namespace) {
		return nil, nil //nolint:nilnil // It says so.
	}
	wanted, err := workload.PoolPod(shape, "")
	if err != nil {
		return nil, err
	}
	list := &corev1.PodList{}
	err = r.Client.List(ctx, list, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: t.Name})
	if err != nil {
		return nil, err
	}
	p := pool{hash: wanted.Annotations[v1alpha1.AnnotationShapeHash], replicas: len(list.Items)}
	for i := range list.Items {
		p.waiting = append(p.waiting, &list.Items[i])
	}
	usable := p.decide(r.Now()).ready
	if len(usable) == 0 {
		r.Metrics.PoolClaim(r.missed(t, s.Namespace, p.hash))
		return nil, nil //nolint:nilnil // It says so.
	}
	if runs, err := r.Workload.Runs(ctx, s); err != nil || runs {
		return nil, err
	}
	log := ctrl.LoggerFrom(ctx)
	unreachable := map[string]bool{} // nodes whose program did not answer: a visitor waits for each try, or loses another desktop
	for _, pod := range usable {
		if unreachable[pod.Spec.NodeName] {
			continue
		}
		if err := r.thaw(ctx, pod); err != nil {
			unreachable[pod.Spec.NodeName] = !errors.Is(err, nodeapi.ErrNoPod) && !errors.Is(err, nodeapi.ErrCannot)
			log.Info("a desktop of a warm pool could not be thawed and is replaced", "pod", pod.Name, "error", err.Error())
			if err := remove(ctx, r.Client, pod); err != nil && !apierrors.IsConflict(err) {
				return nil, err
			}
			continue
		}
		claimed, err := r.claim(ctx, s, shape, pod)
		if claimed != nil || err != nil {
			return claimed, err
		}
		r.unclaimed(pod)
	}
	r.Metrics.PoolClaim(metrics.PoolEmpty)
	return nil, nil //nolint:nilnil // It says so.
}

// claim claims one pod; nil is that somebody else has it, or that it is gone.
func (r *Reconciler) claim(ctx context.Context, s *v1alpha1.VDISession, shape workload.Shape, pod *corev1.Pod) (*corev1.Pod, error) {
	for range 2 {
		claimed, err := r.Workload.Claim(ctx, s, shape, pod)
		if err == nil {
			r.Metrics.PoolClaim(metrics.PoolClaimed)
			ctrl.LoggerFrom(ctx).Info("the session has claimed a desktop of the warm pool", "pod", pod.Name)
			return claimed, nil
		}
		switch {
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err): // it starts from zero, as without a pool
			ctrl.LoggerFrom(ctx).Info("the API server refuses a claim", "pod", pod.Name, "error", err.Error())
			return nil, nil //nolint:nilnil // It says so.
		case !apierrors.IsConflict(err):
			return nil, client.IgnoreNotFound(err)
		}
		// Kubelet may have written to it, or another session was faster.
		latest := &corev1.Pod{}
		if err := r.API.Get(ctx, client.ObjectKeyFromObject(pod), latest); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		if latest.UID != pod.UID || !workload.Waits(latest) || !latest.DeletionTimestamp.IsZero() {
			return nil, nil //nolint:nilnil // It says so.
		}
		pod = latest
	}
	return nil, nil //nolint:nilnil // It says so.
}

// missed is why a session starts from zero: it asks for something else than its template, or
// nothing is ready.
func (r *Reconciler) missed(t *v1alpha1.VDITemplate, namespace, hash string) string {
	if _, waits, err := r.shape(t, namespace); err == nil && waits != hash {
		return metrics.PoolDiffers
	}
	return metrics.PoolEmpty
}
