package pages

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// state is how a desktop is, for people: the text state.<state>.
type state string

const (
	stateRunning  state = "running"
	stateStarting state = "starting"
	stateDozing   state = "dozing"
	stateAsleep   state = "asleep"
	stateFailed   state = "failed"
	stateBlocked  state = "blocked"
	stateOff      state = "off"
	stateDeleting state = "deleting"
	stateNew      state = "new"
)

// states are all, in the order of a list to choose from.
var states = []state{stateRunning, stateStarting, stateDozing, stateAsleep, stateFailed, stateBlocked, stateOff, stateDeleting, stateNew}

// stateOf reads a state off a session.
func stateOf(s *v1alpha1.VDISession) state {
	ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case !s.DeletionTimestamp.IsZero():
		return stateDeleting
	case lifecycle.PoweredOff(s) && !lifecycle.Awake(s):
		return stateOff
	case ready != nil && ready.Status != metav1.ConditionTrue && lifecycle.NeedsAction(ready.Reason):
		return stateBlocked
	case lifecycle.Dozing(s):
		return stateDozing
	case lifecycle.Awake(s) && lifecycle.Started(s):
		return stateRunning
	case lifecycle.Awake(s):
		return stateStarting
	case lifecycle.StartFailed(s):
		return stateFailed
	case lifecycle.Unknown(s):
		return stateNew
	}
	return stateAsleep
}

// seenWithinUse is how fresh the report of a connection is by which a desktop is in use: activators
// report every few seconds.
const seenWithinUse = time.Minute

// inUse says that somebody is connected.
func inUse(s *v1alpha1.VDISession, now time.Time) bool {
	return lifecycle.Runs(s) && now.Sub(lastUsed(s, now)) < seenWithinUse
}

// lastUsed is when somebody was last connected; zero is never.
func lastUsed(s *v1alpha1.VDISession, now time.Time) time.Time {
	if s.Status.Activity == nil {
		return time.Time{}
	}
	return lifecycle.Credible(s.Status.Activity.LastConnectedTime, now)
}

// fact is something that is known of a desktop.
type fact struct {
	Label, Text string
	// At is the moment that Text is about; nil where it is about none.
	At *moment
}

// moment is a time for programs and for people.
type moment struct{ Program, Person string }

func (v *visit) moment(at time.Time) *moment {
	return &moment{at.UTC().Format(time.RFC3339), v.Date(at)}
}

// told is a state in words.
type told struct {
	State state
	Word  string
	InUse bool
	// Said is the sentence about it, More what the cluster says, Hint what to do.
	Said, More, Hint string
	Facts            []fact
}

// Waits says that Said is about what keeps the desktop from being there.
func (t told) Waits() bool {
	return t.State == stateStarting || t.State == stateBlocked || t.State == stateFailed
}

// tell puts a session's state into words.
func (v *visit) tell(s *v1alpha1.VDISession) told {
	t := told{State: stateOf(s), InUse: inUse(s, v.now) && lifecycle.Started(s)}
	t.Word = v.Say("state." + string(t.State))
	switch t.State {
	case stateStarting:
		t.Said, t.More = v.reason(s)
	case stateBlocked:
		t.Said, t.More = v.reason(s)
		t.Hint = v.Say("blocked.hint")
	case stateFailed:
		t.Hint = v.Say("said.failed")
		if w := s.Status.Waiting; w != nil && v.Has("reason."+w.Reason) {
			t.Said, t.More = v.Say("said.failedFor")+" "+v.Say("reason."+w.Reason), w.Detail
		} else {
			t.More = s.Status.Message
		}
	case stateAsleep:
		if slept := "slept." + s.Status.SleepReason; v.Has(slept) {
			t.Said = v.Say(slept)
		}
	case stateDozing:
		t.Said = v.Say("said.dozing")
	case stateOff:
		t.Said = v.Say("said.off")
	case stateRunning:
		if s.Spec.Power == v1alpha1.PowerAlwaysOn {
			t.Said = v.Say("said.always")
		}
	}
	t.Facts = v.times(s, t.State)
	return t
}

// reason says what keeps a desktop from starting, and what the cluster says about it.
func (v *visit) reason(s *v1alpha1.VDISession) (said, more string) {
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return v.Say("reason." + v1alpha1.ReasonWaking), ""
	}
	if w := s.Status.Waiting; w != nil && w.Reason == c.Reason && v.Has("reason."+w.Reason) {
		return v.Say("reason." + w.Reason), w.Detail
	}
	if key := "reason." + c.Reason; v.Has(key) {
		if lifecycle.NeedsAction(c.Reason) {
			return v.Say(key), c.Message
		}
		return v.Say(key), ""
	}
	return c.Message, "" // of a reason that is newer than this page
}

// times are what a card says of time.
func (v *visit) times(s *v1alpha1.VDISession, is state) (facts []fact) {
	add := func(label, text string, at *moment) { facts = append(facts, fact{v.Say(label), text, at}) }
	if due, left := nextSleep(s, v.now); left {
		add("fact.left", v.Say("fact.left."+string(due.Reason), "time", v.Span(due.At.Sub(v.now))), v.moment(due.At))
	}
	if w := s.Status.Waiting; w != nil && is == stateStarting {
		add("fact.waits", v.Say("since", "time", v.Span(v.now.Sub(w.Since.Time))), v.moment(w.Since.Time))
	}
	switch used := lastUsed(s, v.now); {
	case inUse(s, v.now):
	case used.IsZero():
		add("fact.used", v.Say("never"), nil)
	default:
		add("fact.used", v.Relative(used, v.now), v.moment(used))
	}
	if took := s.Status.LastStartDuration; took != nil {
		add("fact.start", v.Exactly(max(time.Second, took.Round(time.Second))), nil)
	}
	return facts
}

// nextSleep is the clock that puts an awake desktop to sleep if nothing happens before.
func nextSleep(s *v1alpha1.VDISession, now time.Time) (lifecycle.Due, bool) {
	clocks := slices.DeleteFunc(lifecycle.SessionClocks(now, lifecycle.EffectivePolicy(s.Status.Lifecycle), s),
		func(d lifecycle.Due) bool {
			// Who is connected sees to it that this one never runs out.
			return d.At.Before(now) || d.Leads != lifecycle.StateAsleep || d.Reason == lifecycle.ReasonDisconnected && inUse(s, now)
		})
	if !s.DeletionTimestamp.IsZero() || len(clocks) == 0 {
		return lifecycle.Due{}, false
	}
	return slices.MinFunc(clocks, func(a, b lifecycle.Due) int { return a.At.Compare(b.At) }), true
}
