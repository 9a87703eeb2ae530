package workload

import (
	"context"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// Pooled runs a desktop in the pod of a warm pool that its session has claimed, until it sleeps,
// and otherwise as the installation runs all. A claimed pod is the session's own: it is the only
// kind of pod that the session itself controls.
type Pooled struct {
	client client.Client
	// api reads what the cache does not have yet of a claim of a moment ago.
	api   client.Reader
	inner Workload
	// claims are the names of pods that the cache may not know yet to be claimed, by the
	// session's UID.
	claims sync.Map
}

var _ Workload = (*Pooled)(nil)

// Claimed says that a pod was claimed by the session from a warm pool.
func Claimed(s *v1alpha1.VDISession, pod *corev1.Pod) bool {
	return pod != nil && metav1.IsControlledBy(pod, s)
}

// Claim makes a pod that waits in a warm pool the session's. It is one write under the API
// server's lock, and fails with a conflict where the pod is not as it was read: of several that
// claim it one gets it. Who calls has made sure that nothing runs; see Runs.
func (p *Pooled) Claim(ctx context.Context, s *v1alpha1.VDISession, shape Shape, waits *corev1.Pod) (*corev1.Pod, error) {
	pod := waits.DeepCopy()
	pod.Labels = labels.Merge(pod.Labels, shape.Labels)
	pod.Annotations = labels.Merge(pod.Annotations, shape.Pod.Annotations)
	pod.OwnerReferences = nil
	if err := controllerutil.SetControllerReference(s, pod, p.client.Scheme()); err != nil {
		return nil, err
	}
	if err := p.client.Patch(ctx, pod, client.MergeFromWithOptions(waits, client.MergeFromWithOptimisticLock{})); err != nil {
		return nil, err
	}
	p.claims.Store(s.UID, pod.Name)
	return pod, nil
}

// Runs says, by the API server itself, whether the session has a pod that does not end, or will
// have one without anybody's doing.
func (p *Pooled) Runs(ctx context.Context, s *v1alpha1.VDISession) (bool, error) {
	of := []client.ListOption{client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name}}
	all, deployments := &corev1.PodList{}, &appsv1.DeploymentList{}
	if err := p.api.List(ctx, all, of...); err != nil {
		return true, err
	}
	for i := range all.Items {
		if pod := &all.Items[i]; serves(pod) {
			if Claimed(s, pod) { // by a write whose answer was lost, or by an operator before this one
				p.claims.Store(s.UID, pod.Name)
			}
			return true, nil
		}
	}
	err := p.api.List(ctx, deployments, of...)
	return slices.ContainsFunc(deployments.Items, func(d appsv1.Deployment) bool { return Replicas(&d) > 0 }), err
}

// claimed are the pods that the session has claimed, those that end included.
func (p *Pooled) claimed(ctx context.Context, s *v1alpha1.VDISession) ([]*corev1.Pod, error) {
	all, err := sessionPods(ctx, p.client, s)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(pod *corev1.Pod) bool { return !Claimed(s, pod) })
	name, known := p.claims.Load(s.UID)
	if !known {
		return all, nil
	}
	pod := &corev1.Pod{}
	if !slices.ContainsFunc(all, func(has *corev1.Pod) bool { return has.Name == name }) {
		err := p.api.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: name.(string)}, pod)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && Claimed(s, pod) {
			return append(all, pod), nil // and the cache is behind
		}
	}
	p.claims.Delete(s.UID)
	return all, nil
}

// serves says that a desktop can run in a claimed pod.
func serves(pod *corev1.Pod) bool { return pod.DeletionTimestamp.IsZero() && !pods.Ended(pod) }

// serving is the claimed pod that the desktop runs in; nil without one. What else was claimed is
// deleted: pods that have ended, and where two operators have claimed one each, the second.
func (p *Pooled) serving(ctx context.Context, s *v1alpha1.VDISession) (*corev1.Pod, error) {
	all, err := p.claimed(ctx, s)
	if err != nil {
		return nil, err
	}
	serve := pods.Newest(slices.Values(slices.DeleteFunc(slices.Clone(all), func(pod *corev1.Pod) bool { return !serves(pod) })))
	for _, pod := range all {
		if serve != nil && pod.UID == serve.UID {
			continue
		}
		if err := remove(ctx, p.client, pod); err != nil {
			return nil, err
		}
	}
	return serve, nil
}

// Apply implements Workload.
func (p *Pooled) Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live Live) (Delay, error) {
	pod, err := p.serving(ctx, s)
	if err != nil {
		return Delay{}, err
	}
	if pod == nil {
		return p.inner.Apply(ctx, s, shape, live)
	}
	// What sleeping desktops have, too: a name inside the cluster.
	if _, err := p.inner.Rest(ctx, s, shape, true, func() bool { return false }); err != nil {
		return Delay{}, err
	}
	wanted, err := PoolPod(shape, "")
	if err != nil || sameShape(pod, wanted) {
		return Delay{}, err
	}
	if live, err := live(ctx); err != nil || live {
		return applied[*corev1.Pod]{}.atSleep(false), err
	}
	if err := remove(ctx, p.client, pod); err != nil {
		return Delay{}, err
	}
	return p.inner.Apply(ctx, s, shape, live)
}

// Rest implements Workload.
func (p *Pooled) Rest(ctx context.Context, s *v1alpha1.VDISession, shape Shape, keep bool, may func() bool) (Rested, error) {
	return p.inner.Rest(ctx, s, shape, keep, may)
}

// Scale implements Workload. A claimed pod runs already, and goes with the desktop's sleep: it is
// nobody else's afterwards.
func (p *Pooled) Scale(ctx context.Context, s *v1alpha1.VDISession, awake bool, live Live) (bool, error) {
	pod, err := p.serving(ctx, s)
	switch {
	case err != nil, pod != nil && awake:
		return false, err
	case pod == nil:
		return p.inner.Scale(ctx, s, awake, live)
	}
	if live, err := live(ctx); err != nil || live {
		return false, err
	}
	if err := remove(ctx, p.client, pod); err != nil {
		return false, err
	}
	_, err = p.inner.Scale(ctx, s, awake, live)
	return true, err
}

// Observe implements Workload.
func (p *Pooled) Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error) {
	o, err := p.inner.Observe(ctx, s)
	if err != nil {
		return o, err
	}
	claimed, err := p.claimed(ctx, s)
	if err != nil {
		return o, err
	}
	o.Exists = o.Exists || slices.ContainsFunc(claimed, serves)
	if o.Pod == nil {
		if pod := current(claimed); pod != nil { // which the cache may not know yet
			o.Pod, o.Pods, o.Progress = pod, max(o.Pods, 1), podProgress(pod)
		}
	}
	return o, nil
}

// Delete implements Workload.
func (p *Pooled) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	all, err := p.claimed(ctx, s)
	if err != nil {
		return "", err
	}
	for _, pod := range all {
		if err := remove(ctx, p.client, pod); err != nil {
			return "", err
		}
	}
	p.claims.Delete(s.UID)
	return p.inner.Delete(ctx, s)
}

// Watched implements Workload.
func (p *Pooled) Watched() []client.Object { return p.inner.Watched() }
