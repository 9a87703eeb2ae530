package workload

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

func sessionPods(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) ([]*corev1.Pod, error) {
	list := &corev1.PodList{}
	err := c.List(ctx, list, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name})
	if err != nil {
		return nil, err
	}
	all := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		all[i] = &list.Items[i]
	}
	return all, nil
}

// PodsOf are the session's pods that have not ended, those that are stopping included.
func PodsOf(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) ([]*corev1.Pod, error) {
	all, err := sessionPods(ctx, c, s)
	return slices.DeleteFunc(all, pods.Ended), err
}

// ObservePods is the observation of the session's pods.
func ObservePods(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) (Observation, error) {
	all, err := sessionPods(ctx, c, s)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Pod: current(all)}
	for _, p := range all {
		if !pods.Ended(p) {
			o.Pods++
		}
	}
	if o.Pod != nil {
		o.Progress = podProgress(o.Pod)
	}
	return o, nil
}

// podOf names a pod of the session of which which is true; empty without one.
func podOf(ctx context.Context, c client.Reader, s *v1alpha1.VDISession, which func(*corev1.Pod) bool) (string, error) {
	list, err := sessionPods(ctx, c, s)
	if err != nil {
		return "", err
	}
	for _, p := range list {
		if which(p) {
			return fmt.Sprintf("pod %q", p.Name), nil
		}
	}
	return "", nil
}

// current is the pod that the desktop is, of those that exist.
func current(list []*corev1.Pod) *corev1.Pod { return pods.Newest(slices.Values(list)) }

// ready says that the pod is ready, or would be if its agent were, which only makes the
// desktop reachable sooner.
func ready(p *corev1.Pod) bool {
	if pods.Ready(p) || pods.NodeLost(p) {
		return pods.Ready(p)
	}
	running := 0
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == v1alpha1.ContainerAgent {
			continue
		}
		if !c.Ready {
			return false
		}
		running++
	}
	return running > 0 && running == len(p.Spec.Containers)-1 && p.DeletionTimestamp.IsZero()
}
