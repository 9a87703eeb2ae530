package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// earlyFor is how long the announcement of a pod that the API has not shown yet
	// is kept: a watch is late by milliseconds, and a broken one is back within
	// seconds. An agent repeats its announcement anyway.
	earlyFor = 30 * time.Second
	// earlyPods bounds them per session, which has two pods at most as it wakes.
	earlyPods = 4
)

// Why an announcement is refused; errors.Is distinguishes them.
var (
	ErrNoSession    = errors.New("there is no such session")
	ErrOtherAddress = errors.New("the API knows the pod by another address")
)

// Announcement is what a pod says of itself before kubelet has written it to the API. The
// caller has checked that it comes from the session's pod and from that address.
type Announcement struct {
	// Pod is the pod's name.
	Pod     string
	Address netip.Addr
	// Listening says that the desktop's port accepts.
	Listening bool
	// AgentPort and StandsIn are as in Pod.
	AgentPort uint16
	StandsIn  bool
}

type early struct {
	Announcement
	at time.Time
}

// Announce records a pod's address until the API knows it, and whether its desktop
// listens. The API stays the truth: an announcement holds for as long as the API shows the
// pod, and no other address of it.
func (d *Directory) Announce(key types.NamespacedName, a Announcement) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[key]
	if e == nil || e.session == nil {
		return fmt.Errorf("%s: %w", key, ErrNoSession)
	}
	for _, r := range e.pods {
		if r.pod.Name != a.Pod {
			continue
		}
		if !agrees(r.pod, a.Address) {
			return fmt.Errorf("pod %s announced %s: %w, %s", a.Pod, a.Address, ErrOtherAddress, r.pod.Status.PodIP)
		}
		r.said = &a
		e.refresh()
		return nil
	}
	e.takeEarly(a.Pod)
	if len(e.early) == earlyPods {
		e.early = slices.Delete(e.early, 0, 1)
	}
	e.early = append(e.early, early{a, time.Now()})
	return nil
}

// takeEarly removes and returns what a pod said before it was known; nil when it said
// nothing lately. The caller holds the lock.
func (e *entry) takeEarly(pod string) *Announcement {
	i := slices.IndexFunc(e.early, func(a early) bool { return a.Pod == pod })
	if i < 0 {
		return nil
	}
	a := e.early[i]
	e.early = slices.Delete(e.early, i, i+1)
	if time.Since(a.at) > earlyFor {
		return nil
	}
	return &a.Announcement
}

// agrees says that the API does not know the pod by other addresses only.
func agrees(p *corev1.Pod, announced netip.Addr) bool {
	if p.Status.PodIP == "" {
		return true
	}
	said := announced.String()
	return p.Status.PodIP == said || slices.ContainsFunc(p.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == said })
}
