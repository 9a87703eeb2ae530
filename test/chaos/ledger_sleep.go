package chaos

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// reportedWithin is how soon a connection is on record once everything is well: activators
	// report four times within a timeout, and try again at once.
	reportedWithin = 4 * time.Second
	// margin is for the clocks of those who look.
	margin = time.Second
	// inputKept is how long ago the last input on record may be while somebody types:
	// activators write input five times within a timeout.
	inputKept = 2*time.Second + margin
	// ahead is how far a report may be ahead of the operator's clock: pkg/lifecycle.
	ahead = time.Minute
)

// visit is an open connection of a visitor to a session's activator.
type visit struct {
	session    types.UID
	activator  string
	from, left time.Time // left is zero while it is open
}

// typing is an input that an activator accepted.
type typing struct {
	session types.UID
	at      time.Time
}

// Came notes a visitor's open connection; the returned function notes its end.
func (l *Ledger) Came(session types.UID, activator string) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &visit{session: session, activator: activator, from: time.Now()}
	l.visits = append(l.visits, v)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		v.left = time.Now()
	}
}

// Typed notes an input that was accepted.
func (l *Ledger) Typed(session types.UID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.typed = append(l.typed, typing{session, at})
}

// judgeSleep looks, when a desktop is recorded as asleep, whether that was right: by what was
// on record, and by who was there, whatever the record said.
func (l *Ledger) judgeSleep(before, now version) {
	slept := now.Status.SleepTime
	if slept == nil || slept.Equal(before.Status.SleepTime) || now.Status.SleepReason == "" {
		return
	}
	at := slept.Time
	if at.After(now.at) {
		at = now.at // it is recorded as later than the visit that it ends
	}
	wrong := l.inUse(now, at)
	if wrong == "" && !now.gap {
		wrong = notDue(before, now, at)
	}
	if wrong != "" {
		what := fmt.Sprintf("%s/%s was put to sleep (%s) at %s: %s", now.Namespace, now.Name, now.Status.SleepReason, at.Format("15:04:05.000"), wrong)
		l.later(judgement{at: now.at, of: NoSleepInUse, session: now.Namespace + "/" + now.Name, judge: func() string { return what }})
	}
}

// inUse says who used a desktop that was put to sleep for lack of use; empty for nobody.
func (l *Ledger) inUse(now version, at time.Time) string {
	clocks := now.Status.Lifecycle
	if clocks == nil {
		return ""
	}
	switch now.Status.SleepReason {
	case v1alpha1.ReasonDisconnectTimeout:
		for _, v := range l.visits {
			if v.session != now.UID || !v.left.IsZero() && v.left.Before(at) {
				continue
			}
			since := l.Health.WellSince(at, v.activator, apiServer, machine)
			if since.Before(v.from) {
				since = v.from
			}
			if since = since.Add(reportedWithin); at.Sub(since) > clocks.DisconnectTimeout.OrZero()+margin {
				return fmt.Sprintf("a visitor was connected to %s since %s, and all was well since %s; the timeout is %s", v.activator,
					v.from.Format("15:04:05.000"), since.Format("15:04:05.000"), clocks.DisconnectTimeout.OrZero())
			}
		}
	case v1alpha1.ReasonIdleTimeout:
		for _, t := range l.typed {
			if t.session == now.UID && t.at.Before(at.Add(-margin)) && at.Sub(t.at)+inputKept < clocks.IdleTimeout.OrZero() {
				return fmt.Sprintf("somebody typed at %s; the timeout is %s", t.at.Format("15:04:05.000"), clocks.IdleTimeout.OrZero())
			}
		}
	}
	return ""
}

// notDue says why the clock that a sleep is named after had not run out by what was on record;
// empty where it had.
func notDue(before, now version, at time.Time) string {
	st, clocks := before.Status, now.Status.Lifecycle
	if st.StartTime == nil && (!lifecycle.Unknown(before.VDISession) || now.Status.SleepReason != v1alpha1.ReasonPoweredOff) {
		return "it was asleep already" // one whose status was lost counts as awake until then
	}
	if clocks == nil {
		return "it has no clocks"
	}
	a := activity(before.VDISession)
	early := func(timeout *v1alpha1.Duration, from ...*metav1.MicroTime) string {
		last := latest(at, from...)
		if ran := at.Sub(last); timeout.OrZero() == 0 || ran < timeout.OrZero() {
			return fmt.Sprintf("the clock ran for %s of %s", ran, timeout.OrZero())
		}
		return ""
	}
	switch now.Status.SleepReason {
	case v1alpha1.ReasonPoweredOff:
		if before.Spec.Power != v1alpha1.PowerOff {
			return "spec.power is " + string(before.Spec.Power)
		}
		return ""
	case v1alpha1.ReasonMaxDuration:
		return early(clocks.MaxDuration, st.StartTime)
	case v1alpha1.ReasonDisconnectTimeout:
		return early(clocks.DisconnectTimeout, st.StartTime, a.LastWakeTime, a.LastConnectedTime)
	case v1alpha1.ReasonIdleTimeout:
		return early(clocks.IdleTimeout, st.StartTime, a.LastInputTime)
	case v1alpha1.ReasonStartupTimeout:
		if st.ReadyTime != nil {
			return "it had started"
		}
		return early(clocks.StartupTimeout, st.StartTime, st.LostTime)
	}
	return "nobody knows that reason"
}

// latest of these times that can be believed at now.
func latest(now time.Time, times ...*metav1.MicroTime) (last time.Time) {
	for _, t := range times {
		if t != nil && !t.After(now.Add(ahead)) && t.After(last) {
			last = t.Time
		}
	}
	return last
}

func activity(s *v1alpha1.VDISession) v1alpha1.SessionActivity {
	if s.Status.Activity == nil {
		return v1alpha1.SessionActivity{}
	}
	return *s.Status.Activity
}

func clock(t *metav1.MicroTime) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format("15:04:05.000")
}
