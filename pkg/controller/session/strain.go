package session

import (
	"cmp"
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
	// reliefWithin is when another one gives way to a node at the earliest: a pod ends within a minute,
	// and pressure is an average of ten seconds.
	reliefWithin = 90 * time.Second
)

// strain is how a node stood for memory, look by look.
type strain struct {
	// since is the first of the looks, without a break, that found it under pressure.
	since time.Time
	// short says that what it can spare gives way.
	short bool
	// gave is when the last one was told to.
	gave time.Time
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
func (s strain) due(now time.Time) bool { return s.short && now.Sub(s.gave) >= reliefWithin }

// spare is what a node can do without.
type spare struct {
	// waits are pods of warm pools, and dozing are sessions, whose desktops are there.
	waits  []*corev1.Pod
	dozing []*v1alpha1.VDISession
}

// next is who gives way next: one of a warm pool, which nobody has used, or the one that has dozed
// longest and that nobody is back at. It is none while another one does.
func (s spare) next(now time.Time) (pod *corev1.Pod, dozes *v1alpha1.VDISession) {
	for _, waits := range s.waits {
		if waits.DeletionTimestamp != nil && now.Sub(waits.DeletionTimestamp.Time) < endsWithin {
			return nil, nil
		}
		if waits.DeletionTimestamp == nil && (pod == nil || before(pod, waits)) {
			pod = waits
		}
	}
	for _, of := range s.dozing {
		switch d := of.Status.Doze; {
		case of.Spec.Power == v1alpha1.PowerAlwaysOn || d.Lost || lifecycle.Returned(of, now):
		case d.GivesWayTo != "":
			return nil, nil
		case dozes == nil || cmp.Or(d.Since.Compare(dozes.Status.Doze.Since.Time), cmp.Compare(of.UID, dozes.UID)) < 0:
			dozes = of
		}
	}
	if pod != nil {
		return pod, nil
	}
	return nil, dozes
}

// before says that a would be claimed before b, and holds less memory if it is frozen: who starts, or
// is younger, goes first.
func before(a, b *corev1.Pod) bool {
	if pods.Ready(a) != pods.Ready(b) {
		return pods.Ready(a)
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}
