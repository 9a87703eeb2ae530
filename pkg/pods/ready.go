// Package pods reads what a pod's status says.
package pods

import corev1 "k8s.io/api/core/v1"

// Condition is the pod's condition of a type; the zero value if it has none.
func Condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// Ready says that the pod's Ready condition is true.
func Ready(p *corev1.Pod) bool { return Condition(p, corev1.PodReady).Status == corev1.ConditionTrue }
