package session

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/pods"
)

const (
	// strainedFor is for how long a node is under pressure before something gives way to it: a desktop
	// that is thawed waits for its own memory for some seconds. systemd-oomd waits as long.
	strainedFor = 30 * time.Second
	// leastAvailable is the share of its memory, in percent, with which a node is not short of it,
	// whoever waits: some container is at a limit of its own. It is above what kubelet reserves on a
	// small node, which pods cannot have.
	leastAvailable = 25
	// reliefPause is when another one gives way to a node at the earliest: a pod ends within a minute,
	// and pressure is an average of ten seconds.
	reliefPause = 90 * time.Second
)

// strain is how a node stood for memory, look by look.
type strain struct {
	// since is the first of the looks, without a break, that found it under pressure.
	since time.Time
	// short says that what it can spare gives way.
	short bool
	// gave is when the last one was told to, ending since when something there ends.
	gave, ending time.Time
	// unknown says that the node's program was asked for the pressure, and did not tell it.
	unknown bool
}

// seen is the strain after a look: kubelet says that the node is short of memory, and its kernel
// which pressure there is; nil is not known. A limit of 0 goes by kubelet alone.
func (s strain) seen(now time.Time, kubelet bool, is *nodeapi.Pressure, limit int) strain {
	over := func(percent float64) bool {
		return limit > 0 && is != nil && is.Stalled >= percent && is.Available < leastAvailable
	}
	high := over(float64(limit))
	switch {
	case !high:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	}
	// Once short, it is until the pressure is half as much.
	s.short = kubelet || high && now.Sub(s.since) >= strainedFor || s.short && over(float64(limit)/2)
	return s
}

// due says that the node is short, and that the last one that gave way was not enough.
func (s strain) due(now time.Time) bool {
	return s.short && now.Sub(s.gave) >= reliefPause && !s.ends(now)
}

// with is the strain with what is seen of who gives way there.
func (s strain) with(there spare, now time.Time) strain {
	switch {
	case !there.ends(now):
		s.ending = time.Time{}
	case s.ending.IsZero():
		s.ending = now
	}
	return s
}

// ends says that the end of something there is to be waited for. What takes longer may never end.
func (s strain) ends(now time.Time) bool { return !s.ending.IsZero() && now.Sub(s.ending) < endsWithin }

// spare is what a node can do without.
type spare struct {
	// waits are pods of warm pools, and dozing are sessions, whose desktops are there.
	waits  []*corev1.Pod
	dozing []*v1alpha1.VDISession
}

// candidate is one that can give way: a pod of a warm pool, or a session that dozes.
type candidate struct {
	pod     *corev1.Pod
	session *v1alpha1.VDISession
}

// ends says that something there is going already.
func (s spare) ends(now time.Time) bool {
	return slices.ContainsFunc(s.waits, func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil }) ||
		slices.ContainsFunc(s.dozing, func(of *v1alpha1.VDISession) bool { return mayGive(of, now) && of.Status.Doze.GivesWayTo != "" })
}

// inOrder is who gives way, the first one first: those of warm pools, which nobody has used, and then
// those that have dozed longest and that nobody is back at.
func (s spare) inOrder(now time.Time) (order []candidate) {
	waits := slices.DeleteFunc(slices.Clone(s.waits), func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	// Who starts, or is younger, holds least memory if they are frozen.
	slices.SortFunc(waits, func(a, b *corev1.Pod) int { return pods.ReadyFirst(b, a) })
	dozing := slices.DeleteFunc(slices.Clone(s.dozing), func(of *v1alpha1.VDISession) bool {
		return !mayGive(of, now) || of.Status.Doze.GivesWayTo != ""
	})
	slices.SortFunc(dozing, func(a, b *v1alpha1.VDISession) int {
		return cmp.Or(a.Status.Doze.Since.Compare(b.Status.Doze.Since.Time), cmp.Compare(a.UID, b.UID))
	})
	for _, pod := range waits {
		order = append(order, candidate{pod: pod})
	}
	for _, of := range dozing {
		order = append(order, candidate{session: of})
	}
	return order
}

// mayGive says that a dozing desktop may be taken from its session.
func mayGive(of *v1alpha1.VDISession, now time.Time) bool {
	return of.DeletionTimestamp.IsZero() && of.Spec.Power != v1alpha1.PowerAlwaysOn && !of.Status.Doze.Lost && !lifecycle.Returned(of, now)
}
