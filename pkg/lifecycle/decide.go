// Package lifecycle decides when a desktop is awake, when it dozes and when it sleeps.
//
// Decide is pure: time, policy, activity and record go in, a decision comes out. It
// knows no client and no clock of its own; reconcilers act on the decision and come
// back at Until, so nothing polls. Clocks is the one table of what puts to sleep or has
// a desktop doze.
package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Activity is what visitors were last seen doing; zero is never or unknown.
type Activity struct {
	LastWake      time.Time
	LastConnected time.Time
	LastInput     time.Time
	// LastWatched is when something that sees input last said that it watches.
	LastWatched time.Time
	// WakeAt and SleepAt are when somebody asked by the session's spec for a wake and for a sleep.
	WakeAt, SleepAt time.Time
}

// Asked is when somebody last asked for the desktop.
func (a Activity) Asked() time.Time { return latest(a.LastWake, a.WakeAt) }

// Record is what was decided and seen before; zero is never or unknown.
type Record struct {
	Power v1alpha1.Power
	// AwakeSince is when the present awake period began; zero while asleep.
	AwakeSince time.Time
	// ReadyAt is when the desktop became reachable in this awake period.
	ReadyAt time.Time
	// LostAt is when its pod was lost last in this awake period.
	LostAt time.Time
	// AsleepSince is when the desktop was last put to sleep.
	AsleepSince time.Time
	// DozingSince is since when it dozes in this awake period, or is about to; a visit since
	// then has ended that.
	DozingSince time.Time
	// GivesWay says that somebody needs what the dozing desktop holds.
	GivesWay bool
	// DozeLost says that it dozes and that nobody could thaw it: its pod has to end.
	DozeLost bool
	// Shortened is when an edit made a clock shorter in this awake period, by its name.
	Shortened map[string]time.Time
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
	// ReasonSleepRequested means asleep, because spec.sleepAt says so.
	ReasonSleepRequested Reason = v1alpha1.ReasonSleepRequested
	// ReasonGaveWay means asleep, because somebody needs what it held while it dozed.
	ReasonGaveWay Reason = v1alpha1.ReasonGaveWay
	// ReasonDozeLost means asleep, because nobody could thaw it.
	ReasonDozeLost Reason = v1alpha1.ReasonDozeLost
)

// The clocks that put a desktop to sleep, or have it doze, as reasons.
const (
	ReasonIdle         Reason = v1alpha1.ReasonIdleTimeout
	ReasonDisconnected Reason = v1alpha1.ReasonDisconnectTimeout
	ReasonMaxDuration  Reason = v1alpha1.ReasonMaxDuration
	ReasonStartup      Reason = v1alpha1.ReasonStartupTimeout
	ReasonDozeAfter    Reason = v1alpha1.ReasonDozeAfter
	ReasonDozeFor      Reason = v1alpha1.ReasonDozeFor
)

// Decision is what to do now, and when to ask again if nothing happens before;
// a zero Until means only an event can change it.
type Decision struct {
	Awake bool
	// Dozing says that it is to be frozen, as long as it is awake and nobody visits it.
	Dozing bool
	Reason Reason
	Until  time.Time
}

// Decide is the only place where sleeping and waking are decided.
//
// A desktop falls asleep only when somebody says so, or when a clock has run out that
// started from something known: unknown activity counts from the wake, never as "long ago".
//
// Activity from the future is the report of a clock that is ahead, or of somebody who
// made it up: see credible.
func Decide(now time.Time, p Policy, a Activity, r Record) Decision {
	d := decide(now, p, a.credible(now), r)
	if next := a.credibleNext(now); !alwaysThat(p, r.Power) && !next.IsZero() && (d.Until.IsZero() || next.Before(d.Until)) {
		d.Until = next
	}
	return d
}

// alwaysThat says that no activity changes anything.
func alwaysThat(p Policy, power v1alpha1.Power) bool {
	return power == v1alpha1.PowerAlwaysOn && p.DozeAfter.OrZero() <= 0 || power == v1alpha1.PowerOff
}

// dozes says that a desktop dozes in this awake period, and that nobody has visited it since.
func dozes(p Policy, a Activity, r Record) bool {
	return !r.DozingSince.IsZero() && p.DozeAfter.OrZero() > 0 && !latest(r.AwakeSince, a.Asked(), a.LastConnected).After(r.DozingSince)
}

func decide(now time.Time, p Policy, a Activity, r Record) Decision {
	switch {
	case r.Power == v1alpha1.PowerOff:
		return Decision{Reason: ReasonPoweredOff}
	case r.DozeLost: // until its pod has ended
		return Decision{Reason: ReasonDozeLost}
	case r.Power == v1alpha1.PowerAlwaysOn:
		return alwaysOn(now, p, a, r)
	}
	// Of a wake and a sleep that were asked for the later counts. A sleep counts for a desktop
	// that sleeps already, too: it ends the visits before it.
	if a.SleepAt.After(latest(r.AwakeSince, r.AsleepSince, a.Asked())) {
		return Decision{Reason: ReasonSleepRequested}
	}
	if r.AwakeSince.IsZero() {
		// Only a visit later than the last sleep wakes: a report of the connection
		// that the sleep itself cut must not.
		if a.Asked().After(r.AsleepSince) {
			return Decision{Awake: true, Reason: ReasonVisited}
		}
		return Decision{Reason: ReasonNotVisited}
	}

	if dozes(p, a, r) {
		if r.GivesWay {
			return Decision{Reason: ReasonGaveWay}
		}
		return next(now, Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}, running(now, p, a, r))
	}
	return next(now, Decision{Awake: true, Reason: ReasonVisited}, running(now, p, a, r))
}

// alwaysOn is the decision for a desktop that never sleeps: it dozes where that is asked for.
func alwaysOn(now time.Time, p Policy, a Activity, r Record) Decision {
	is := Decision{Awake: true, Reason: ReasonAlwaysOn}
	switch {
	case r.AwakeSince.IsZero():
		return is
	case dozes(p, a, r):
		return Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}
	}
	return next(now, is, slices.DeleteFunc(running(now, p, a, r), func(d Due) bool { return d.Leads == StateAsleep }))
}

// next is the decision where the first of these clocks has run out, and otherwise is until it
// does.
func next(now time.Time, is Decision, clocks []Due) Decision {
	if len(clocks) == 0 {
		return is
	}
	first := slices.MinFunc(clocks, func(a, b Due) int { return a.At.Compare(b.At) })
	switch {
	case now.Before(first.At):
		is.Until = first.At
		return is
	case first.Leads == StateAsleep:
		return Decision{Reason: first.Reason}
	}
	// Its record brings another decision, with the clocks that run then.
	return Decision{Awake: true, Dozing: true, Reason: first.Reason}
}

// Ahead is how far the clocks of those who report activity may be ahead of the reader's.
const Ahead = time.Minute

// credible is what can be believed at now: what is further ahead was never reported. It
// would otherwise hold until its time comes, for years perhaps.
func (a Activity) credible(now time.Time) Activity {
	for _, t := range a.times() {
		*t = credible(*t, now)
	}
	return a
}

// credibleNext is when the next report can be believed that cannot be now; zero is never.
func (a Activity) credibleNext(now time.Time) (next time.Time) {
	for _, t := range a.times() {
		if at := t.Add(-Ahead); at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (a *Activity) times() []*time.Time {
	return []*time.Time{&a.LastWake, &a.LastConnected, &a.LastInput, &a.LastWatched, &a.WakeAt, &a.SleepAt}
}

func credible(t, now time.Time) time.Time {
	if t.After(now.Add(Ahead)) {
		return time.Time{}
	}
	return t
}

// Credible is a time on record where it can be believed at now; zero where it cannot, or is
// nil.
func Credible(t *metav1.MicroTime, now time.Time) time.Time { return credible(at(t), now) }

func latest(first time.Time, more ...time.Time) time.Time {
	return slices.MaxFunc(append(more, first), time.Time.Compare)
}
