package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// DecideSession is Decide over what a session's object says.
func DecideSession(now time.Time, p Policy, s *v1alpha1.VDISession) Decision {
	a, r := Read(s)
	return Decide(now, p, a, r)
}

// SessionClocks are the clocks that run for a session at now, and when they run out.
func SessionClocks(now time.Time, p Policy, s *v1alpha1.VDISession) []Due {
	a, r := Read(s)
	a = a.credible(now)
	if alwaysThat(r.Power) || r.AwakeSince.IsZero() {
		return nil
	}
	return running(now, p, a, r)
}

// Read is what a session's object says.
func Read(s *v1alpha1.VDISession) (a Activity, r Record) {
	if act := s.Status.Activity; act != nil {
		a = Activity{LastWake: at(act.LastWakeTime), LastConnected: at(act.LastConnectedTime),
			LastInput: at(act.LastInputTime), LastWatched: at(act.LastWatchedTime)}
	}
	return a, Record{Power: s.Spec.Power,
		AwakeSince: at(s.Status.StartTime), ReadyAt: at(s.Status.ReadyTime), LostAt: at(s.Status.LostTime), AsleepSince: at(s.Status.SleepTime),
		Shortened: shortenedClocks(s)}
}

func at(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
