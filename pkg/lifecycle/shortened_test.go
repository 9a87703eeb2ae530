package lifecycle

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// used is a session that has been in use for an hour, and was typed in 20 minutes ago.
func used() *v1alpha1.VDISession {
	ago := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(-d)} }
	s := &v1alpha1.VDISession{}
	s.Status.StartTime, s.Status.ReadyTime = ago(time.Hour), ago(59*time.Minute)
	s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: ago(time.Hour), LastInputTime: ago(20 * time.Minute), LastConnectedTime: ago(19 * time.Second)}
	return s
}

func clocks(idle, disconnect, longest time.Duration) v1alpha1.Lifecycle {
	return v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(idle), DisconnectTimeout: v1alpha1.NewDuration(disconnect), MaxDuration: v1alpha1.NewDuration(longest)}
}

func TestAnEditEndsNobodysDesktopWithoutTheUsualWarning(t *testing.T) {
	before := clocks(time.Hour, time.Hour, 0)
	for name, c := range map[string]struct {
		edited v1alpha1.Lifecycle
		until  time.Duration
		reason Reason
	}{
		"idle":                         {clocks(10*time.Minute, time.Hour, 0), 2 * time.Minute, ReasonIdle},
		"idle, short":                  {clocks(4*time.Minute, time.Hour, 0), time.Minute, ReasonIdle},
		"idle, with time left":         {clocks(30*time.Minute, time.Hour, 0), 10 * time.Minute, ReasonIdle},
		"max duration":                 {clocks(time.Hour, time.Hour, 30*time.Minute), 2 * time.Minute, ReasonMaxDuration},
		"max duration, short":          {clocks(time.Hour, time.Hour, 40*time.Second), 10 * time.Second, ReasonMaxDuration},
		"disconnect, reported seldom":  {clocks(time.Hour, 10*time.Second, 0), 30 * time.Second, ReasonDisconnected},
		"what is longer keeps its end": {clocks(2*time.Hour, 2*time.Hour, 0), 100 * time.Minute, ReasonIdle},
	} {
		t.Run(name, func(t *testing.T) {
			s := used()
			p := Policy{Lifecycle: c.edited}
			Shorten(noon, &before, p, s)
			now := DecideSession(noon, p, s)
			require.True(t, now.Awake)
			assert.Equal(t, noon.Add(c.until), now.Until)
			then := DecideSession(now.Until, p, s)
			assert.False(t, then.Awake)
			assert.Equal(t, c.reason, then.Reason)
		})
	}
}

func TestAWarningIsGivenOnce(t *testing.T) {
	s, first, second := used(), Policy{Lifecycle: clocks(15*time.Minute, time.Hour, 0)}, Policy{Lifecycle: clocks(10*time.Minute, time.Hour, 0)}
	Shorten(noon, &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(time.Hour)}, first, s)
	Shorten(noon.Add(time.Minute), &first.Lifecycle, second, s)
	assert.Equal(t, noon.Add(2*time.Minute), DecideSession(noon.Add(time.Minute), second, s).Until)
}

func TestWhoTypesAfterTheWarningHasTheWholeNewTimeout(t *testing.T) {
	s, p := used(), Policy{Lifecycle: clocks(10*time.Minute, 0, 0)}
	Shorten(noon, &v1alpha1.Lifecycle{}, p, s)
	s.Status.Activity.LastInputTime = &metav1.MicroTime{Time: noon.Add(time.Minute)}
	assert.Equal(t, noon.Add(11*time.Minute), DecideSession(noon.Add(time.Minute), p, s).Until)
}

func TestWhatSleepsIsNotShortened(t *testing.T) {
	s := used()
	s.Status.StartTime = nil
	Shorten(noon, &v1alpha1.Lifecycle{}, Policy{Lifecycle: clocks(time.Minute, 0, 0)}, s)
	assert.Nil(t, s.Status.Shortened)
}

func TestAnEditPostponesASleepForItsNoticeAtMost(t *testing.T) {
	situations(t, func(t *testing.T, r *rand.Rand, s situation) {
		plain := Decide(s.now, s.policy, s.activity, s.record)
		edited, clock := s.now.Add(-time.Duration(r.IntN(300))*time.Second), Clocks[r.IntN(len(Clocks))]
		if clock.Leads == StateDozing { // what dozes later may sleep before
			return
		}
		s.record.Shortened = map[string]time.Time{clock.Name: edited}
		now := Decide(s.now, s.policy, s.activity, s.record)
		if plain.Awake != now.Awake && !now.Dozing { // the doze, which came first, is bounded by its own clock
			require.True(t, now.Awake, "an edit's notice puts to sleep: %+v", s)
			require.False(t, now.Until.After(edited.Add(warnBefore)), "postponed until %s: %+v", now.Until, s)
		}
	})
}
