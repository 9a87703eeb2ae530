package chaos

import (
	"fmt"
	"slices"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// judgeEnd looks, when a pod that was ready begins to end, whether its desktop has slept since
// it was made. Where it has not, somebody's desktop was taken away: that may only be a step's
// doing. One whose desktop a step let crash has nothing to lose: a change may be what mends it,
// as pkg/controller/session says of a start that is stuck. So has one whose status was lost. And
// one that Kubernetes made while a pod of a lost node had the home gives way to that: whether it
// has begun to run, the operator learns a moment later.
func (l *Ledger) judgeEnd(one *podLife, revision uint64, at time.Time) {
	if one.ready == 0 || one.beside {
		return // nobody could be in there, or was let in
	}
	l.later(judgement{at: at, revision: revision, of: NoRestartInUse, session: sessionOf(one.Pod), judge: func() string {
		name := one.Labels[v1alpha1.LabelSession]
		rested := l.between(one.Namespace, name, one.made, revision, func(before, now version) bool { return sleeps(before, now) || forgets(before, now) })
		// It was decided while nobody could be in there: in the moments after a wake, in which the
		// operator does not see yet that it has recorded it, a change still replaces what starts. So
		// does a report of an impossible time in place of the visit: the next one starts it again.
		early := l.reshaped(one, one.ready)
		if rested || early || l.unknown(one.ready, revision) || l.killed[one.UID] > 0 || l.crashed[one.UID] > 0 || l.orphaned(one, revision) || l.unwanted(one, revision) || l.waitedFor(one, revision) || l.outdated(one) {
			return ""
		}
		return fmt.Sprintf("pod %s/%s of the awake session %s was taken away at revision %d; it was ready since %d", one.Namespace, one.Name, name, revision, one.ready)
	}})
}

// reshaped says that a pod's Deployment got another shape, or asked for no pod any more, between the
// pod's making and a revision.
func (l *Ledger) reshaped(one *podLife, before uint64) bool {
	s := l.shapeOf(one)
	return s != nil && slices.ContainsFunc(slices.Concat(s.changed, s.stopped), func(r uint64) bool { return r > one.made && r < before })
}

// outdated says that a pod was made of a shape that its Deployment had before: Kubernetes learnt late
// of a change that was applied while there was no pod, and replaces it.
func (l *Ledger) outdated(one *podLife) bool {
	s := l.shapeOf(one)
	if s == nil {
		return false
	}
	var asked []corev1.Container
	for _, shape := range s.shapes {
		if shape.from < one.made {
			asked = shape.containers
		}
	}
	return asked != nil && !equality.Semantic.DeepEqual(asked, one.Spec.Containers)
}

// unwanted says that a pod's session was recorded as asleep all the time, and that nobody asked for
// it at a revision: somebody switched it on, and off again before the operator had recorded a wake.
func (l *Ledger) unwanted(one *podLife, at uint64) bool {
	owner := l.owner(one)
	if owner == nil {
		return false
	}
	until := owner.inForce(at)
	for i := owner.inForce(one.made); i <= until; i++ {
		if !lifecycle.Asleep(owner.versions[i].VDISession) {
			return false
		}
	}
	last := owner.versions[until]
	return last.Spec.Power != v1alpha1.PowerAlwaysOn && (lifecycle.PoweredOff(last.VDISession) || !lifecycle.Called(last.VDISession, last.at))
}

// waitedFor says that a pod's session slept, or waited for a pod's end, from when the pod was made
// until a revision, and waited at the end: nobody was let into it. Where its Deployment asked for none
// any more when the pod was ready, so does one whose session waited from then on.
func (l *Ledger) waitedFor(one *podLife, at uint64) bool {
	owner := l.owner(one)
	if owner == nil {
		return false
	}
	since, until := one.made, owner.inForce(at)
	if l.atZero(one, one.ready) {
		since = one.ready
	}
	for i := owner.inForce(since); i <= until; i++ {
		if s := owner.versions[i].VDISession; !lifecycle.Asleep(s) && !lifecycle.Finishing(s) {
			return false
		}
	}
	return lifecycle.Finishing(owner.versions[until].VDISession)
}

// atZero says that a pod's Deployment asked for none at a revision.
func (l *Ledger) atZero(one *podLife, at uint64) bool {
	s := l.shapeOf(one)
	if s == nil {
		return false
	}
	last := func(of []uint64) (r uint64) {
		for _, one := range of {
			if one < at {
				r = max(r, one)
			}
		}
		return r
	}
	return last(s.stopped) > last(s.asked)
}

// shapeOf is what is known of a pod's Deployment; nil is nothing.
func (l *Ledger) shapeOf(one *podLife) *shape {
	return l.shapes[client.ObjectKey{Namespace: one.Namespace, Name: one.Labels[v1alpha1.LabelSession]}]
}

// owner is the life of a pod's session that the pod was made in; nil is that none was ever seen.
func (l *Ledger) owner(one *podLife) (owner *life) {
	for _, s := range l.of(one.Namespace, one.Labels[v1alpha1.LabelSession]) {
		if s.versions[0].revision < one.made {
			owner = s
		}
	}
	return owner
}

// inForce is the index of the version that a session had at a revision after its creation.
func (l *life) inForce(at uint64) int {
	n := sort.Search(len(l.versions), func(i int) bool { return l.versions[i].revision > at })
	return max(n-1, 0)
}

// orphaned says that a pod's session was gone, or was being deleted, at a revision, or that none
// was ever seen.
func (l *Ledger) orphaned(one *podLife, at uint64) bool {
	owner := l.owner(one)
	return owner == nil || owner.gone || slices.ContainsFunc(owner.versions, func(v version) bool { return v.DeletionTimestamp != nil && v.revision < at })
}
