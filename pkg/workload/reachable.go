package workload

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// Ready is whether Kubernetes takes the current pod for ready. With Knative that says
// nothing of whether it can be reached: its proxy asks the desktop at 127.0.0.1.
func (o Observation) Ready() bool { return o.Pod != nil && ready(o.Pod) }

// Reachable is whether the desktop can be reached at its pod's address: an activator has
// reached it since its container started, or kubelet's probe has found it there. reached
// is the session's status.activity.lastReachedTime, zero for never.
func (o Observation) Reachable(reached time.Time) bool {
	if o.Pod == nil {
		return false
	}
	return probedAtAddress(o.Pod) && ready(o.Pod) || reachedSinceStart(o.Pod, reached) && !unreadySince(o.Pod, reached)
}

// probedAtAddress says that the desktop's readiness is asked for at the pod's address. In
// a pod of Knative's the container has no probe.
func probedAtAddress(p *corev1.Pod) bool {
	i := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == v1alpha1.ContainerDesktop })
	if i < 0 || p.Spec.Containers[i].ReadinessProbe == nil {
		return false
	}
	probe := p.Spec.Containers[i].ReadinessProbe
	return probe.TCPSocket != nil && probe.TCPSocket.Host == "" || probe.HTTPGet != nil && probe.HTTPGet.Host == "" || probe.GRPC != nil
}

// reachedSinceStart compares with the container's start, which Kubernetes rounds down
// to seconds.
func reachedSinceStart(p *corev1.Pod, reached time.Time) bool {
	running := desktopStatus(p).State.Running
	return running != nil && !reached.IsZero() && !reached.Before(running.StartedAt.Time)
}

// desktopStatus is the status of the desktop's container; the zero value if it has none.
func desktopStatus(p *corev1.Pod) corev1.ContainerStatus {
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == v1alpha1.ContainerDesktop {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

// unreadySince says that the pod became unready after that: its desktop went, although its
// container runs.
func unreadySince(p *corev1.Pod, reached time.Time) bool {
	return !ready(p) && pods.Condition(p, corev1.PodReady).LastTransitionTime.After(reached)
}
