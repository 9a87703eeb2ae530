package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhatASessionsStateMeans(t *testing.T) {
	at := func(minutes int) *metav1.MicroTime {
		return &metav1.MicroTime{Time: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	woken := func(minutes int) *v1alpha1.SessionActivity {
		return &v1alpha1.SessionActivity{LastWakeTime: at(minutes)}
	}
	predicates := map[string]func(*v1alpha1.VDISession) bool{
		"unknown": Unknown, "awake": Awake, "asleep": Asleep, "started": Started, "visited": func(s *v1alpha1.VDISession) bool { return Visited(s, noon.Add(time.Hour)) },
		"start failed": StartFailed, "not reached": NotReached, "ends visits": EndsVisits, "needs a person": NeedsPerson,
	}
	type is = map[string]bool
	type status = v1alpha1.VDISessionStatus
	asks := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotReached}}
	for name, tc := range map[string]struct {
		status status
		want   is
	}{
		"nobody wrote the status": {status{}, is{"unknown": true}},
		"created":                 {status{ObservedGeneration: 1}, is{"asleep": true}},
		"visited for the first time": {status{ObservedGeneration: 1, Activity: woken(0)},
			is{"asleep": true, "visited": true}},
		"starting": {status{ObservedGeneration: 1, Activity: woken(0), StartTime: at(0)},
			is{"awake": true, "visited": true}},
		"ready by its own account": {status{ObservedGeneration: 1, StartTime: at(0), Conditions: asks},
			is{"awake": true, "not reached": true}},
		"it slept before it was reached": {status{ObservedGeneration: 1, Conditions: asks},
			is{"asleep": true}},
		"started": {status{ObservedGeneration: 1, Activity: woken(0), StartTime: at(0), ReadyTime: at(1)},
			is{"awake": true, "visited": true, "started": true}},
		"always on": {status{ObservedGeneration: 1, StartTime: at(0)},
			is{"awake": true}},
		"nobody seemed to be there": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "DisconnectTimeout"},
			is{"asleep": true}},
		"nobody typed": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "IdleTimeout"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"its time was up": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"somebody put it to sleep": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "SleepRequested"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"a sleep of the visit's own moment": {status{ObservedGeneration: 1, Activity: woken(5), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"a person asked since": {status{ObservedGeneration: 1, Activity: woken(6), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "visited": true, "ends visits": true}},
		"awake again": {status{ObservedGeneration: 1, Activity: woken(6), SleepTime: at(5), SleepReason: "MaxDuration", StartTime: at(6)},
			is{"awake": true, "visited": true, "ends visits": true}},
		"it did not start": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "StartupTimeout"},
			is{"asleep": true, "start failed": true, "ends visits": true, "needs a person": true}},
		"it did not start, and its generation was lost": {status{SleepTime: at(5), SleepReason: "StartupTimeout"},
			is{"start failed": true, "ends visits": true, "needs a person": true}},
		"switched off": {status{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "PoweredOff"},
			is{"asleep": true}},
	} {
		t.Run(name, func(t *testing.T) {
			for what, predicate := range predicates {
				assert.Equal(t, tc.want[what], predicate(&v1alpha1.VDISession{Status: tc.status}), what)
			}
		})
	}
}

func TestASleepIsNotEarlierThanTheVisitThatWokeTheDesktop(t *testing.T) {
	s := &v1alpha1.VDISession{}
	got := SleepTime(noon, s)
	assert.True(t, got.Time.Equal(noon), "without a visit a sleep at noon is recorded at %s", got)
	for _, skew := range []time.Duration{-time.Minute, 0, time.Minute} {
		s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: noon.Add(skew)}}
		s.Status.SleepTime = SleepTime(noon, s)
		require.False(t, Visited(s, noon))
		assert.False(t, s.Status.SleepTime.Time.Before(noon),
			"the sleep is recorded at %s, after a visit at %s by another clock", s.Status.SleepTime, s.Status.Activity.LastWakeTime)
	}
}
