package lifecycle

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// tries is how many random situations each promise is held against.
const tries = 20000

type situation struct {
	now      time.Time
	policy   Policy
	activity Activity
	record   Record
}

// situations are random, the same on each run, and full of equal and unknown times.
func situations(t *testing.T, check func(*testing.T, *rand.Rand, situation)) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	timeout := func() time.Duration { return time.Duration(r.IntN(4)) * 10 * time.Minute }
	moment := func() time.Time {
		if r.IntN(4) == 0 {
			return time.Time{}
		}
		at := noon.Add(time.Duration(r.IntN(121)-90) * time.Minute)
		if r.IntN(4) == 0 { // around what is believed of a clock that is ahead
			at = noon.Add(time.Duration(r.IntN(181)-90) * time.Second)
		}
		return at
	}
	request := func() time.Time { // seldom, or few desktops stayed awake
		if r.IntN(3) > 0 {
			return time.Time{}
		}
		return moment()
	}
	// Until an activator is missed, they are taken to listen for ever.
	hears := func() *Listening {
		if r.IntN(2) == 0 {
			return nil
		}
		return &Listening{Began: moment(), Returned: moment(), Heard: noon.AddDate(1, 0, 0)}
	}
	doze := func() time.Time { // of what dozes, which is rare
		if r.IntN(3) > 0 {
			return time.Time{}
		}
		return moment()
	}
	powers := []v1alpha1.Power{v1alpha1.PowerOnDemand, v1alpha1.PowerAlwaysOn, v1alpha1.PowerOff}
	for range tries {
		check(t, r, situation{
			now: noon,
			policy: Policy{Lifecycle: v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(timeout()), DisconnectTimeout: v1alpha1.NewDuration(timeout()), MaxDuration: v1alpha1.NewDuration(timeout()), StartupTimeout: v1alpha1.NewDuration(timeout()),
				DozeAfter: v1alpha1.NewDuration(timeout()), DozeFor: v1alpha1.NewDuration(timeout())}, Listening: hears(), NoDoze: r.IntN(4) == 0},
			activity: Activity{LastWake: moment(), LastConnected: moment(), LastInput: moment(), LastWatched: moment(), WakeAt: request(), SleepAt: request()},
			record: Record{Power: powers[r.IntN(len(powers))], AwakeSince: moment(), ReadyAt: moment(), AsleepSince: moment(),
				DozingSince: doze(), GivesWay: r.IntN(8) == 0, DozeLost: r.IntN(16) == 0},
		})
		if t.Failed() {
			return
		}
	}
}

func TestTheNextDecisionIsAlwaysAhead(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		d := Decide(s.now, s.policy, s.activity, s.record)
		assert.False(t, d.Awake && !d.Until.IsZero() && !d.Until.After(s.now),
			"awake until %s, which is not after now: %+v", d.Until, s)
		assert.False(t, !d.Awake && !d.Until.IsZero() && s.activity == s.activity.credible(s.now),
			"asleep until %s: nothing but an event wakes: %+v", d.Until, s)
		assert.NotEmpty(t, d.Reason, "no reason: %+v", s)
	})
}

func TestNothingChangesBeforeTheNextDecision(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		d := Decide(s.now, s.policy, s.activity, s.record)
		later := s.now.Add(time.Duration(r.Int64N(int64(3 * time.Hour))))
		again := Decide(later, s.policy, s.activity, s.record)
		due := !d.Until.IsZero() && !later.Before(d.Until)
		sleeps := !d.Awake && !s.record.AwakeSince.IsZero() // which is recorded, and so another situation
		assert.False(t, again.Awake && again.Dozing != d.Dozing && !due && !sleeps, "dozes otherwise at %s, before %s, without an event: %+v", later, d.Until, s)
		records := d.Dozing && !dozes(s.policy, s.activity.credible(s.now), s.record) // which is another situation, too
		assert.False(t, again.Awake != d.Awake && !due && !sleeps && !records, "changed at %s, before %s, without an event: %+v", later, d.Until, s)
		// A report from the future is one when its time comes.
		assert.False(t, due && d.Awake && again.Awake && again.Dozing == d.Dozing && s.activity == s.activity.credible(s.now),
			"still awake at %s, due at %s: %+v", later, d.Until, s)
	})
}

func TestADesktopSleepsOnlyWhenAClockThatBeganHasRunOutOrSomebodyAskedForIt(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		d := Decide(s.now, s.policy, s.activity, s.record)
		if s.record.Power == v1alpha1.PowerAlwaysOn || s.record.Power == v1alpha1.PowerOff || s.record.AwakeSince.IsZero() || d.Awake {
			return
		}
		a := s.activity.credible(s.now)
		ran := func(from time.Time, timeout time.Duration) bool {
			return timeout > 0 && !from.IsZero() && s.now.Sub(from) >= timeout
		}
		ok := map[Reason]bool{
			ReasonMaxDuration:  ran(s.record.AwakeSince, s.policy.MaxDuration.OrZero()),
			ReasonStartup:      s.record.ReadyAt.IsZero() && ran(s.record.AwakeSince, s.policy.StartupTimeout.OrZero()),
			ReasonDisconnected: ran(latest(s.record.AwakeSince, a.Asked(), a.LastConnected), s.policy.DisconnectTimeout.OrZero()),
			ReasonIdle: ran(a.LastInput, s.policy.IdleTimeout.OrZero()) ||
				a.LastWatched.After(s.record.AwakeSince) && ran(a.LastWatched, s.policy.IdleTimeout.OrZero()),
			ReasonSleepRequested: a.SleepAt.After(latest(s.record.AwakeSince, a.Asked())),
			ReasonDozeFor:        dozes(s.policy, a, s.record) && ran(s.record.DozingSince, s.policy.DozeFor.OrZero()),
			ReasonGaveWay:        dozes(s.policy, a, s.record) && s.record.GivesWay,
			ReasonDozeLost:       s.record.DozeLost,
		}[d.Reason]
		assert.True(t, ok, "asleep for %s, which has not come: %+v", d.Reason, s)
	})
}

func TestMoreConnectionNeverMakesItSleepEarlier(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		before := Decide(s.now, s.policy, s.activity, s.record)
		if before.Dozing { // to be back is not to stay
			return
		}
		more := s
		for _, at := range []*time.Time{&more.activity.LastWake, &more.activity.LastConnected, &more.activity.WakeAt} {
			*at = latest(*at, noon.Add(-time.Duration(r.IntN(60))*time.Minute))
		}
		// Input moves on too, where there was some: the first report of an awake period
		// starts a clock that did not run before.
		if more.activity.LastInput.After(more.record.AwakeSince) {
			more.activity.LastInput = latest(more.activity.LastInput, noon.Add(-time.Duration(r.IntN(60))*time.Minute))
		}
		after := Decide(more.now, more.policy, more.activity, more.record)
		assert.False(t, before.Awake && !after.Awake, "more activity put it to sleep for %s: %+v", after.Reason, more)
		if before.Awake && after.Awake && !after.Until.IsZero() && !s.record.AwakeSince.IsZero() &&
			(before.Until.IsZero() || after.Until.Before(before.Until)) {
			t.Errorf("more activity brought the end from %s to %s: %+v", before.Until, after.Until, more)
		}
	})
}

func TestTheLaterRequestOfTwoIsObeyed(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		if s.record.Power != v1alpha1.PowerOnDemand || s.record.DozeLost {
			return
		}
		// What is recorded may be up to a minute ahead.
		last := s.now.Add(2*Ahead + time.Duration(r.IntN(1000))*time.Second)
		s.record.AwakeSince, s.record.AsleepSince = earliest(s.record.AwakeSince, last), earliest(s.record.AsleepSince, last)
		s.activity.SleepAt = last
		for _, at := range []*time.Time{&s.activity.LastWake, &s.activity.WakeAt} {
			*at = earliest(*at, last.Add(-1))
		}
		d := Decide(last, s.policy, s.activity, s.record)
		assert.Equal(t, s.record.AwakeSince.Equal(last) || s.record.AsleepSince.Equal(last), d.Reason != ReasonSleepRequested, "%+v", s)
		s.record.AwakeSince, s.activity.WakeAt = time.Time{}, last.Add(1)
		assert.True(t, Decide(last, s.policy, s.activity, s.record).Awake, "a later wake: %+v", s)
	})
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func TestSwitchingAClockOffNeverPutsToSleep(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		before := Decide(s.now, s.policy, s.activity, s.record)
		fewer, off := s.policy, Clocks[r.IntN(len(Clocks))]
		if off.Leads == StateDozing {
			return // who dozes does not sleep yet
		}
		*off.field(&fewer.Lifecycle) = nil
		after := Decide(s.now, fewer, s.activity, s.record)
		assert.False(t, before.Awake && !after.Awake, "asleep for %s with a clock less: %+v", after.Reason, s)
	})
}

func TestNobodysSilenceCountsThatNobodyListenedTo(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		l := Listening{Began: ago(time.Duration(r.IntN(90)) * time.Minute), Heard: ago(time.Duration(r.IntN(90)) * time.Second), Nobody: r.IntN(3) == 0}
		if r.IntN(2) == 0 {
			l.Returned = ago(time.Duration(r.IntN(90)) * time.Minute)
		}
		s.policy.Listening = &l
		d := Decide(s.now, s.policy, s.activity, s.record)
		clock, byClock := ByReason(d.Reason)
		if d.Awake || !byClock || !clock.reported {
			return
		}
		timeout, from := clock.Setting(s.policy.Lifecycle).OrZero(), clock.from(s.activity.credible(s.now), s.record)
		require.False(t, l.Nobody, "asleep for %s, and nobody listens: %+v", d.Reason, s)
		assert.False(t, l.Heard.Before(from.Add(timeout)), "asleep for %s, and nobody was heard when it ran out: %+v", d.Reason, s)
		assert.False(t, s.now.Before(l.Returned.Add(timeout)), "asleep for %s too soon after activators came back: %+v", d.Reason, s)
	})
}

func TestClocksThatNeedNoReportRunWhileNobodyListens(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		deaf := s.policy
		deaf.Listening = &Listening{Began: noon, Nobody: true}
		mute := s.policy
		mute.IdleTimeout, mute.DisconnectTimeout, mute.NoDoze = nil, nil, true
		assert.Equal(t, Decide(s.now, mute, s.activity, s.record), Decide(s.now, deaf, s.activity, s.record), "%+v", s)
	})
}

func TestOnlyADesktopThatWasReadyAndThatEverybodyHasLeftDozes(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		d := Decide(s.now, s.policy, s.activity, s.record)
		if !d.Dozing {
			return
		}
		a := s.activity.credible(s.now)
		left := latest(s.record.AwakeSince, a.Asked(), a.LastConnected)
		assert.True(t, d.Awake, "%+v", s)
		assert.False(t, s.record.AwakeSince.IsZero() || s.policy.DozeAfter.OrZero() <= 0 || s.record.Power == v1alpha1.PowerOff, "%+v", s)
		if s.record.DozingSince.IsZero() || left.After(s.record.DozingSince) { // it begins
			assert.False(t, s.record.ReadyAt.IsZero() || s.policy.NoDoze, "%+v", s)
			assert.False(t, s.now.Before(latest(left, s.record.ReadyAt).Add(s.policy.DozeAfter.OrZero())), "left at %s: %+v", left, s)
		}
	})
}

func TestAVisitEndsEveryDozeAndNothingThatOnlyDozesKeepsItFromThat(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		if s.record.DozingSince.IsZero() || s.record.DozingSince.After(s.now) || s.record.DozeLost {
			return
		}
		visited := latest(s.now.Add(-time.Minute), s.record.DozingSince.Add(1), s.activity.credible(s.now).SleepAt.Add(1))
		*[]*time.Time{&s.activity.LastWake, &s.activity.LastConnected, &s.activity.WakeAt}[r.IntN(3)] = visited
		for _, gives := range []bool{false, true} {
			s.record.GivesWay = gives
			d := Decide(s.now, s.policy, s.activity, s.record)
			assert.False(t, d.Dozing && s.policy.DozeAfter.OrZero() > time.Minute, "%+v", s)
			assert.NotContains(t, []Reason{ReasonGaveWay, ReasonDozeFor}, d.Reason, "%+v", s)
		}
	})
}

func TestNoClockOfWhoIsThereRunsWhileADesktopDozes(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		if s.record.AwakeSince.IsZero() || !dozes(s.policy, s.activity.credible(s.now), s.record) {
			return
		}
		fewer := s.policy
		fewer.IdleTimeout, fewer.DisconnectTimeout, fewer.StartupTimeout, fewer.Listening, fewer.NoDoze = nil, nil, nil, nil, true
		assert.Equal(t, Decide(s.now, fewer, s.activity, s.record), Decide(s.now, s.policy, s.activity, s.record), "%+v", s)
	})
}

func TestADesktopThatIsAlwaysOnNeverSleepsByDozing(t *testing.T) {
	situations(t, func(t *testing.T, _ *rand.Rand, s situation) {
		s.record.Power, s.record.DozeLost = v1alpha1.PowerAlwaysOn, false
		assert.True(t, Decide(s.now, s.policy, s.activity, s.record).Awake, "%+v", s)
	})
}
