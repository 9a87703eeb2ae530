package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// clock is a clock's setting.
var clock = v1alpha1.NewDuration

func TestTheNearestClockWins(t *testing.T) {
	all := func(idle, disconnect, most, startup time.Duration) v1alpha1.Lifecycle {
		return v1alpha1.Lifecycle{IdleTimeout: clock(idle), DisconnectTimeout: clock(disconnect), MaxDuration: clock(most), StartupTimeout: clock(startup)}
	}
	defaults := all(time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour)
	template := &v1alpha1.Lifecycle{IdleTimeout: clock(10 * time.Minute), MaxDuration: clock(20 * time.Minute)}
	off := &v1alpha1.Lifecycle{IdleTimeout: clock(0)}
	for name, c := range map[string]struct {
		template *v1alpha1.Lifecycle
		spec     v1alpha1.VDISessionSpec
		want     v1alpha1.Lifecycle
	}{
		"the defaults hold where nobody says otherwise": {nil, v1alpha1.VDISessionSpec{}, defaults},
		"the template over the defaults": {template, v1alpha1.VDISessionSpec{},
			all(10*time.Minute, 2*time.Hour, 20*time.Minute, 4*time.Hour)},
		"the session over the template": {template, v1alpha1.VDISessionSpec{Lifecycle: &v1alpha1.Lifecycle{IdleTimeout: clock(0), StartupTimeout: clock(time.Minute)}},
			all(0, 2*time.Hour, 20*time.Minute, time.Minute)},
		"a session switches on again what the template switched off": {off, v1alpha1.VDISessionSpec{Lifecycle: &v1alpha1.Lifecycle{IdleTimeout: clock(time.Minute)}},
			all(time.Minute, 2*time.Hour, 3*time.Hour, 4*time.Hour)},
		"a template's 0s over the defaults": {off, v1alpha1.VDISessionSpec{}, all(0, 2*time.Hour, 3*time.Hour, 4*time.Hour)},
		"spec.timeout over everything": {template, v1alpha1.VDISessionSpec{Timeout: clock(5 * time.Minute), Lifecycle: &v1alpha1.Lifecycle{MaxDuration: clock(time.Hour)}},
			all(10*time.Minute, 2*time.Hour, 5*time.Minute, 4*time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			got := Resolve(defaults, c.template, &c.spec)
			assert.Equal(t, c.want, got.Lifecycle)
			assert.Equal(t, got, EffectivePolicy(&got.Lifecycle), "the status")
		})
	}
}

func TestAnUnknownPolicyPutsNothingToSleep(t *testing.T) {
	s := &v1alpha1.VDISession{}
	s.Status.StartTime = &metav1.MicroTime{Time: ago(1000 * time.Hour)}
	d := DecideSession(noon, EffectivePolicy(nil), s)
	assert.True(t, d.Awake, "asleep for %s", d.Reason)
}

func TestASessionsObjectIsReadAsItStands(t *testing.T) {
	s := &v1alpha1.VDISession{}
	micro := func(t time.Time) *metav1.MicroTime { return &metav1.MicroTime{Time: t} }
	s.Status.SleepTime = micro(ago(time.Hour))
	s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: micro(ago(time.Minute))}
	d := DecideSession(noon, Policy{}, s)
	assert.True(t, d.Awake, "a visit after the sleep does not wake: %+v", d)
	s.Spec.Power = v1alpha1.PowerOff
	d = DecideSession(noon, Policy{}, s)
	assert.False(t, d.Awake, "awake while off: %+v", d)
	s.Spec.Power, s.Status.Activity = v1alpha1.PowerAlwaysOn, nil
	d = DecideSession(noon, Policy{}, s)
	assert.True(t, d.Awake, "asleep while always on: %+v", d)
}

func TestARequestInTheSpecCountsLikeAVisit(t *testing.T) {
	micro := func(t time.Time) *metav1.MicroTime { return &metav1.MicroTime{Time: t} }
	s := &v1alpha1.VDISession{}
	s.CreationTimestamp.Time = ago(time.Hour)
	s.Spec.WakeAt = micro(ago(2 * time.Hour))
	assert.False(t, DecideSession(noon, Policy{}, s).Awake, "an older session's request, restored from a backup, wakes")
	s.Spec.WakeAt = RequestTime(noon, s)
	assert.Equal(t, noon, s.Spec.WakeAt.Time)
	assert.True(t, DecideSession(noon, Policy{}, s).Awake)
	assert.True(t, Visited(s, noon))
	s.Status.StartTime = micro(noon.Add(30 * time.Second)) // a clock that is ahead
	s.Spec.SleepAt = RequestTime(noon, s)
	assert.Equal(t, Decision{Reason: ReasonSleepRequested}, DecideSession(noon, Policy{}, s))

	s.Status.SleepTime, s.Status.StartTime, s.Status.SleepReason = SleepTime(noon, s), nil, string(ReasonSleepRequested)
	assert.Equal(t, s.Spec.SleepAt, s.Status.SleepTime, "or the request would count again")
	assert.Equal(t, Decision{Reason: ReasonNotVisited}, DecideSession(noon, Policy{}, s))
	assert.True(t, EndsVisits(s))
	assert.False(t, Visited(s, noon))
	s.Spec.WakeAt = RequestTime(noon, s)
	assert.True(t, DecideSession(noon, Policy{}, s).Awake)
}
