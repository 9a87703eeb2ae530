package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// State is how a desktop is by a decision.
type State int

const (
	// StateAsleep is without a pod.
	StateAsleep State = iota
	// StateAwake is running.
	StateAwake
	// StateDozing is awake, and frozen in its pod.
	StateDozing
)

// Clock takes a desktop from one state to the next when it has run out: to sleep, mostly.
type Clock struct {
	// Name is its field in v1alpha1.Lifecycle, and in sessions of the chart's values.
	Name string
	// Reason is why a desktop sleeps, or dozes, when it has run out.
	Reason Reason
	// Leads is where it leads to: to sleep, where it says nothing.
	Leads State
	// Default is its setting where values, template and session say nothing.
	Default time.Duration
	// EndsVisits says that only a person wakes the desktop again: a client that
	// reconnects by itself does not.
	EndsVisits bool
	// Warns says that the page warns before it runs out.
	Warns bool
	// Postponable says that a visitor's input postpones it.
	Postponable bool

	// in are the states in which it runs; nil is awake alone.
	in []State
	// field is its setting in a Lifecycle.
	field func(*v1alpha1.Lifecycle) **v1alpha1.Duration
	// from is the moment that it runs from; zero where the clock does not run.
	from func(Activity, Record) time.Time
	// shortened is when an edit made it shorter, in a session's status; nil where nobody can be
	// warned of it.
	shortened func(*v1alpha1.ShortenedClocks) **metav1.MicroTime
	// reported says that it runs from reports, so that it stands while nobody listens.
	reported bool
}

const (
	// Shortest is the shortest setting: activators report every few seconds. 0 is off.
	Shortest = 10 * time.Second
	// Longest is the longest setting: what is above it is a slip of the hand. A pod's token
	// is good for as long.
	Longest = 365 * 24 * time.Hour
)

// Clocks are all clocks. Of two that run out at the same moment the earlier one here is
// the reason.
var Clocks = []Clock{
	{
		Name: "maxDuration", Reason: ReasonMaxDuration, Default: 24 * time.Hour, EndsVisits: true, Warns: true,
		in:        []State{StateAwake, StateDozing},
		field:     func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.MaxDuration },
		shortened: func(s *v1alpha1.ShortenedClocks) **metav1.MicroTime { return &s.MaxDuration },
		// The wake, in use or not.
		from: func(_ Activity, r Record) time.Time { return r.AwakeSince },
	},
	{
		Name: "startupTimeout", Reason: ReasonStartup, Default: 10 * time.Minute, EndsVisits: true,
		field: func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.StartupTimeout },
		// The wake, or the loss of its pod, until the desktop is reachable.
		from: func(_ Activity, r Record) time.Time {
			if !r.ReadyAt.IsZero() {
				return time.Time{}
			}
			return latest(r.AwakeSince, r.LostAt)
		},
	},
	{
		Name: "disconnectTimeout", Reason: ReasonDisconnected, Default: 5 * time.Minute,
		field:     func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.DisconnectTimeout },
		shortened: func(s *v1alpha1.ShortenedClocks) **metav1.MicroTime { return &s.DisconnectTimeout },
		// The last moment a connection was open.
		from:     func(a Activity, r Record) time.Time { return latest(r.AwakeSince, a.Asked(), a.LastConnected) },
		reported: true,
	},
	{
		Name: "idleTimeout", Reason: ReasonIdle, Default: 30 * time.Minute, EndsVisits: true, Warns: true, Postponable: true,
		field:     func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.IdleTimeout },
		shortened: func(s *v1alpha1.ShortenedClocks) **metav1.MicroTime { return &s.IdleTimeout },
		// The last input since the wake, or since something has watched for input: silence
		// means nothing before.
		from: func(a Activity, r Record) time.Time {
			switch {
			case a.LastInput.After(r.AwakeSince):
				return a.LastInput
			case a.LastWatched.After(r.AwakeSince) && !r.ReadyAt.IsZero(): // nobody types at what starts
				return latest(a.LastWatched, r.ReadyAt)
			}
			return time.Time{}
		},
		reported: true,
	},
	{
		Name: "dozeAfter", Reason: ReasonDozeAfter, Leads: StateDozing,
		field:     func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.DozeAfter },
		shortened: func(s *v1alpha1.ShortenedClocks) **metav1.MicroTime { return &s.DozeAfter },
		// The last moment a connection was open, of a desktop that has become reachable.
		from: func(a Activity, r Record) time.Time {
			if r.ReadyAt.IsZero() {
				return time.Time{}
			}
			return latest(r.AwakeSince, r.ReadyAt, a.Asked(), a.LastConnected)
		},
		reported: true,
	},
	{
		Name: "dozeFor", Reason: ReasonDozeFor, Default: 8 * time.Hour, in: []State{StateDozing},
		field: func(l *v1alpha1.Lifecycle) **v1alpha1.Duration { return &l.DozeFor },
		// The freeze, of a desktop that nobody has visited since.
		from: func(_ Activity, r Record) time.Time { return r.DozingSince },
	},
}

// Defaults are the clocks where values, template and session say nothing.
func Defaults() v1alpha1.Lifecycle {
	var l v1alpha1.Lifecycle
	for _, c := range Clocks {
		*c.field(&l) = v1alpha1.NewDuration(c.Default)
	}
	return l
}

// ByReason returns the clock that a sleep or a doze is the end of, if any.
func ByReason(reason Reason) (clock Clock, is bool) {
	for _, c := range Clocks {
		if c.Reason == reason {
			return c, true
		}
	}
	return Clock{}, false
}

// Setting is the clock's setting in l; nil where l says nothing.
func (c Clock) Setting(l v1alpha1.Lifecycle) *v1alpha1.Duration { return *c.field(&l) }

// Due is a clock that runs, and when it runs out.
type Due struct {
	Clock
	At time.Time
}

// runs says that the clock runs in a state.
func (c Clock) runs(in State) bool {
	if c.in == nil {
		return in == StateAwake
	}
	return slices.Contains(c.in, in)
}

// running are the clocks of an awake desktop that run at now.
func running(now time.Time, p Policy, a Activity, r Record) []Due {
	is := StateAwake
	if dozes(p, a, r) {
		is = StateDozing
	}
	var all []Due
	for _, c := range Clocks {
		timeout, from := c.Setting(p.Lifecycle).OrZero(), c.from(a, r)
		if !c.runs(is) || timeout <= 0 || from.IsZero() || c.Leads == StateDozing && p.NoDoze {
			continue
		}
		at := from.Add(timeout)
		if c.reported {
			if at = p.Listening.due(now, from, timeout); at.IsZero() {
				continue
			}
		}
		if edited := r.Shortened[c.Name]; !edited.IsZero() {
			at = latest(at, edited.Add(c.notice(timeout)))
		}
		all = append(all, Due{Clock: c, At: at})
	}
	return all
}
