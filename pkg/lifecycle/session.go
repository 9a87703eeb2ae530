package lifecycle

import (
	"slices"
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
	if alwaysThat(p, r.Power) || r.AwakeSince.IsZero() || r.DozeLost {
		return nil
	}
	all := running(now, p, a, r)
	if r.Power == v1alpha1.PowerAlwaysOn {
		all = slices.DeleteFunc(all, func(d Due) bool { return d.Leads == StateAsleep })
	}
	return all
}

// Read is what a session's object says.
func Read(s *v1alpha1.VDISession) (a Activity, r Record) {
	if act := s.Status.Activity; act != nil {
		a = Activity{LastWake: at(act.LastWakeTime), LastConnected: at(act.LastConnectedTime),
			LastInput: at(act.LastInputTime), LastWatched: at(act.LastWatchedTime)}
	}
	a.WakeAt, a.SleepAt = request(s, s.Spec.WakeAt), request(s, s.Spec.SleepAt)
	r = Record{Power: s.Spec.Power,
		AwakeSince: at(s.Status.StartTime), ReadyAt: at(s.Status.ReadyTime), LostAt: at(s.Status.LostTime), AsleepSince: at(s.Status.SleepTime),
		Shortened: shortenedClocks(s)}
	if d := s.Status.Doze; d != nil {
		r.DozingSince, r.GivesWay, r.DozeLost = d.Since.Time, d.GivesWayTo != "", d.Lost
	}
	return a, r
}

// request is when spec asks for a wake or a sleep. One from before the session's creation was
// asked of another session, whose manifest or backup this one was made from.
func request(s *v1alpha1.VDISession, t *metav1.MicroTime) time.Time {
	if at(t).Before(s.CreationTimestamp.Add(-Ahead)) {
		return time.Time{}
	}
	return at(t)
}

// RequestTime is what spec.wakeAt or spec.sleepAt has to be at now to count: later than all that
// is recorded, even where clocks differ a little.
func RequestTime(now time.Time, s *v1alpha1.VDISession) *metav1.MicroTime {
	a, r := Read(s)
	a = a.credible(now)
	last := latest(r.AwakeSince, r.AsleepSince, r.DozingSince, a.Asked(), a.SleepAt)
	return &metav1.MicroTime{Time: latest(now, last.Add(time.Microsecond))}
}

func at(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
