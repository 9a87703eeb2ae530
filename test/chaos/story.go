package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Session is the newest version of the session of a name; nil where there is none.
func (l *Ledger) Session(namespace, name string) *v1alpha1.VDISession {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.of(namespace, name); len(all) > 0 && !all[len(all)-1].gone {
		return all[len(all)-1].last().VDISession
	}
	return nil
}

// Sessions are the newest versions of all that are there.
func (l *Ledger) Sessions() (all []*v1alpha1.VDISession) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.lives {
		if !one.gone {
			all = append(all, one.last().VDISession)
		}
	}
	return all
}

// Pods are those that are there, the oldest first.
func (l *Ledger) Pods() (all []*corev1.Pod) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []*podLife
	for _, p := range l.pods {
		if !p.gone {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *podLife) int { return int(a.made) - int(b.made) })
	for _, p := range found {
		all = append(all, p.Pod)
	}
	return all
}

// RunningSince says that the session of a name has been running at some time since then.
func (l *Ledger) RunningSince(namespace, name string, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.of(namespace, name) {
		if one.gone {
			continue
		}
		for i, v := range one.versions {
			until := i+1 == len(one.versions) || one.versions[i+1].at.After(since)
			if until && v.Status.Phase == v1alpha1.PhaseRunning {
				return true
			}
		}
	}
	return false
}

// Lives is how many awake periods were seen to begin.
func (l *Ledger) Lives() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.lives {
		for i, v := range one.versions {
			if v.Status.StartTime != nil && (i == 0 || !v.Status.StartTime.Equal(one.versions[i-1].Status.StartTime)) {
				n++
			}
		}
	}
	return n
}

// storyLength is how many versions of a session are told.
const storyLength = 40

// Story is the last that was seen of a session, with its pods; its name is namespace/name.
func (l *Ledger) Story(session string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	namespace, name, _ := strings.Cut(session, "/")
	for _, one := range l.of(namespace, name) {
		for _, v := range one.versions[max(0, len(one.versions)-storyLength):] {
			fmt.Fprintf(&b, "%s @%d %s power=%s start=%s ready=%s slept=%s(%s) woken=%s connected=%s input=%s pod=%s deleted=%t gap=%t %s\n", v.at.Format("15:04:05.000"),
				v.revision, v.Status.Phase, v.Spec.Power, clock(v.Status.StartTime), clock(v.Status.ReadyTime), clock(v.Status.SleepTime), v.Status.SleepReason,
				clock(activity(v.VDISession).LastWakeTime), clock(activity(v.VDISession).LastConnectedTime), clock(activity(v.VDISession).LastInputTime), v.Status.PodName,
				v.DeletionTimestamp != nil, v.gap, v.Status.Message)
		}
	}
	for uid, p := range l.pods {
		if p.Namespace == namespace && p.Labels[v1alpha1.LabelSession] == name {
			fmt.Fprintf(&b, "pod %s made@%d ready@%d node=%s ended@%d gone=%t killed=%d\n", p.Name, p.made, p.ready, p.Spec.NodeName, p.ended, p.gone, l.killed[uid])
		}
	}
	return b.String()
}
