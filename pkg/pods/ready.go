// Package pods reads what a pod's status says.
package pods

import corev1 "k8s.io/api/core/v1"

// Ready says that the pod's Ready condition is true.
func Ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
