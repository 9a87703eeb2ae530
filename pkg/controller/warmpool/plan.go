package warmpool

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// startsAtOnce is how many desktops of one pool start at a time: what starts takes CPU and disk of
// nodes, and nobody waits for it.
const startsAtOnce = 2

// pool is what one namespace has of a template's desktops that wait, and what it is to have.
type pool struct {
	// replicas is how many are to wait; 0 drains the pool.
	replicas int
	// hash is the shape that they are to have.
	hash string
	// maxAge is how long one waits at most; 0 is without end.
	maxAge time.Duration
	// sessionsFirst says that sessions wait for a device that such a desktop asks for.
	sessionsFirst bool
	// refusedUntil is until when none is made, after the API server has refused one.
	refusedUntil time.Time
	// fewer have given way to their nodes, and are not replaced before fewerUntil.
	fewer      int
	fewerUntil time.Time
	// waiting are the pods; unseen is how many were made that are not among them yet.
	waiting []*corev1.Pod
	unseen  int
}

// plan is what becomes of a pool.
type plan struct {
	// create is how many pods are made now, remove are those that go.
	create int
	remove []*corev1.Pod
	// ready can be claimed, the one that waits for longest first; starting cannot yet.
	ready, starting []*corev1.Pod
	// again is when to look again without any event; zero is never.
	again time.Time
}

// decide says what becomes of a pool at now.
func (p pool) decide(now time.Time) (out plan) {
	var stay []*corev1.Pod
	for _, pod := range p.waiting {
		switch {
		case !pod.DeletionTimestamp.IsZero(): // it goes
		case !p.fits(pod), p.sessionsFirst && pod.Spec.NodeName == "":
			out.remove = append(out.remove, pod)
		default:
			stay = append(stay, pod)
		}
	}
	slices.SortFunc(stay, pods.ReadyFirst)
	if len(stay) > p.replicas {
		out.remove = append(out.remove, stay[p.replicas:]...)
		stay = stay[:p.replicas]
	}
	ready := slices.IndexFunc(stay, func(pod *corev1.Pod) bool { return !pods.Ready(pod) })
	if ready < 0 {
		ready = len(stay)
	}
	out.ready, out.starting = stay[:ready], stay[ready:]
	// One at a time: those that started together would leave the pool empty together.
	if p.maxAge > 0 && len(out.ready) > 0 {
		oldest := out.ready[0]
		switch ends := oldest.CreationTimestamp.Add(p.maxAge); {
		case now.Before(ends):
			out.again = ends
		case len(out.starting) == 0 && !now.Before(p.refusedUntil):
			out.remove = append(out.remove, oldest)
			out.ready = out.ready[1:]
		}
	}
	missing := p.replicas - len(out.ready) - len(out.starting) - p.unseen
	switch {
	case missing <= 0 || p.sessionsFirst:
	case missing <= p.fewer:
		out.again = p.fewerUntil
	case now.Before(p.refusedUntil):
		out.again = p.refusedUntil
	default:
		out.create = max(0, min(missing-p.fewer, startsAtOnce-len(out.starting)-p.unseen))
	}
	return out
}

// fits says that a pod may go on waiting.
func (p pool) fits(pod *corev1.Pod) bool {
	return pod.Annotations[v1alpha1.AnnotationShapeHash] == p.hash && !pods.Ended(pod) && !pods.NodeLost(pod)
}
