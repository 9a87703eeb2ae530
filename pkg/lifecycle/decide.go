// Package lifecycle decides when a desktop is awake and when it sleeps.
//
// It is pure: time, policy, activity and record go in, a decision comes out. It
// knows no client, no clock of its own and no Kubernetes object; reconcilers act
// on the decision and come back at Until, so nothing polls.
package lifecycle

import (
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Power says who decides.
type Power int

const (
	// OnDemand wakes on a visit and sleeps by the clocks.
	OnDemand Power = iota
	// AlwaysOn never sleeps.
	AlwaysOn
	// Off never wakes.
	Off
)

// Policy holds the clocks; zero switches one off.
type Policy struct {
	// IdleTimeout runs from the last input, once input was reported since the wake.
	IdleTimeout time.Duration
	// DisconnectTimeout runs while no connection is seen open.
	DisconnectTimeout time.Duration
	// MaxDuration runs from the wake, in use or not.
	MaxDuration time.Duration
	// StartupTimeout runs from the wake until the desktop is reachable.
	StartupTimeout time.Duration

	// ListeningSince is since when whoever decides has seen what is reported; zero is
	// always. Silence from before says nothing: the reports may not have got through.
	ListeningSince time.Time
}

// reportsWithin is how soon everybody who is connected is reported once reports get
// through: activators report every 20 seconds and take up to 10 to write. Where a
// timeout is shorter, they report several times within it.
const reportsWithin = 30 * time.Second

// Activity is what visitors were last seen doing; zero is never or unknown.
type Activity struct {
	LastWake      time.Time
	LastConnected time.Time
	LastInput     time.Time
}

// Record is what was decided and seen before; zero is never or unknown.
type Record struct {
	Power Power
	// AwakeSince is when the present awake period began; zero while asleep.
	AwakeSince time.Time
	// ReadyAt is when the desktop became reachable in this awake period.
	ReadyAt time.Time
	// AsleepSince is when the desktop was last put to sleep.
	AsleepSince time.Time
}

// Reason says in one CamelCase word why a decision was taken, as in a condition.
type Reason string

const (
	// ReasonNotVisited means asleep, and nobody asked for it since.
	ReasonNotVisited Reason = v1alpha1.ReasonNotVisited
	// ReasonVisited means awake, because somebody came and no clock has run out.
	ReasonVisited Reason = v1alpha1.ReasonVisited
	// ReasonAlwaysOn means awake, because spec.power says so.
	ReasonAlwaysOn Reason = v1alpha1.ReasonAlwaysOn
	// ReasonPoweredOff means asleep, because spec.power says so.
	ReasonPoweredOff Reason = v1alpha1.ReasonPoweredOff
)

// The clocks that put a desktop to sleep, as reasons.
const (
	ReasonIdle         Reason = v1alpha1.ReasonIdleTimeout
	ReasonDisconnected Reason = v1alpha1.ReasonDisconnectTimeout
	ReasonMaxDuration  Reason = v1alpha1.ReasonMaxDuration
	ReasonStartup      Reason = v1alpha1.ReasonStartupTimeout
)

// Decision is what to do now, and when to ask again if nothing happens before;
// a zero Until means only an event can change it.
type Decision struct {
	Awake  bool
	Reason Reason
	Until  time.Time
}

// Decide is the only place where sleeping and waking are decided.
//
// A desktop falls asleep only when a clock has run out that started from
// something known: unknown activity counts from the wake, never as "long ago".
func Decide(now time.Time, p Policy, a Activity, r Record) Decision {
	switch r.Power {
	case AlwaysOn:
		return Decision{Awake: true, Reason: ReasonAlwaysOn}
	case Off:
		return Decision{Reason: ReasonPoweredOff}
	}
	if r.AwakeSince.IsZero() {
		// Only a visit later than the last sleep wakes: a report of the connection
		// that the sleep itself cut must not.
		if a.LastWake.After(r.AsleepSince) {
			return Decision{Awake: true, Reason: ReasonVisited}
		}
		return Decision{Reason: ReasonNotVisited}
	}

	first := Decision{Awake: true, Reason: ReasonVisited}
	var due Reason
	consider := func(reason Reason, from time.Time, timeout time.Duration, notBefore time.Time) {
		if timeout <= 0 {
			return
		}
		at := latest(from.Add(timeout), notBefore)
		if first.Until.IsZero() || at.Before(first.Until) {
			first.Until, due = at, reason
		}
	}
	consider(ReasonMaxDuration, r.AwakeSince, p.MaxDuration, time.Time{})
	if r.ReadyAt.IsZero() {
		consider(ReasonStartup, r.AwakeSince, p.StartupTimeout, time.Time{})
	}
	consider(ReasonDisconnected, latest(r.AwakeSince, a.LastWake, a.LastConnected), p.DisconnectTimeout, p.believes(p.DisconnectTimeout))
	if a.LastInput.After(r.AwakeSince) {
		consider(ReasonIdle, a.LastInput, p.IdleTimeout, p.believes(p.IdleTimeout))
	}
	if due != "" && !now.Before(first.Until) {
		return Decision{Reason: due}
	}
	return first
}

// believes is from when on silence is taken for absence.
func (p Policy) believes(timeout time.Duration) time.Time {
	if p.ListeningSince.IsZero() {
		return time.Time{}
	}
	return p.ListeningSince.Add(min(timeout, reportsWithin))
}

func latest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}
