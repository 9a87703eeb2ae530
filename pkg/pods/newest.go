package pods

import (
	"cmp"
	"iter"

	corev1 "k8s.io/api/core/v1"
)

// Ended says that all of the pod's containers have ended and none starts again.
func Ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Newest is the pod, of those of one desktop, that the desktop is: of those that are not
// being deleted the newest that is ready, where one is, or else the newest; one that has ended
// counts only where there is no other. It is nil without any.
func Newest(all iter.Seq[*corev1.Pod]) *corev1.Pod {
	var best *corev1.Pod
	for p := range all {
		if p.DeletionTimestamp.IsZero() && (best == nil || newer(p, best)) {
			best = p
		}
	}
	return best
}

// newer prefers what runs, then what is ready, then what is younger.
func newer(a, b *corev1.Pod) bool {
	if Ended(a) != Ended(b) {
		return Ended(b)
	}
	if Ready(a) != Ready(b) {
		return Ready(a)
	}
	return byAge(a, b) > 0
}

// ReadyFirst orders pods: those that are ready before those that are not, and then the oldest first.
func ReadyFirst(a, b *corev1.Pod) int {
	if Ready(a) != Ready(b) {
		if Ready(a) {
			return -1
		}
		return 1
	}
	return byAge(a, b)
}

// byAge orders pods, the oldest first. It decides by name between pods of one second, so that
// everybody who asks takes the same.
func byAge(a, b *corev1.Pod) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}
