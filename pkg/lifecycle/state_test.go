package lifecycle

import (
	"testing"
	"time"

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
		"awake": Awake, "asleep": Asleep, "started": Started, "visited": Visited,
		"start failed": StartFailed, "ends visits": EndsVisits, "needs a person": NeedsPerson,
	}
	type is = map[string]bool
	for name, tc := range map[string]struct {
		status v1alpha1.VDISessionStatus
		want   is
	}{
		"nobody wrote the status": {v1alpha1.VDISessionStatus{}, is{}},
		"created":                 {v1alpha1.VDISessionStatus{ObservedGeneration: 1}, is{"asleep": true}},
		"visited for the first time": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0)},
			is{"asleep": true, "visited": true}},
		"starting": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), StartTime: at(0)},
			is{"awake": true, "visited": true}},
		"started": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), StartTime: at(0), ReadyTime: at(1)},
			is{"awake": true, "visited": true, "started": true}},
		"always on": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, StartTime: at(0)},
			is{"awake": true}},
		"nobody seemed to be there": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "DisconnectTimeout"},
			is{"asleep": true}},
		"nobody typed": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "IdleTimeout"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"its time was up": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"a sleep of the visit's own moment": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(5), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "ends visits": true, "needs a person": true}},
		"a person asked since": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(6), SleepTime: at(5), SleepReason: "MaxDuration"},
			is{"asleep": true, "visited": true, "ends visits": true}},
		"awake again": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(6), SleepTime: at(5), SleepReason: "MaxDuration", StartTime: at(6)},
			is{"awake": true, "visited": true, "ends visits": true}},
		"it did not start": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "StartupTimeout"},
			is{"asleep": true, "start failed": true, "ends visits": true, "needs a person": true}},
		"it did not start, and its generation was lost": {v1alpha1.VDISessionStatus{SleepTime: at(5), SleepReason: "StartupTimeout"},
			is{"start failed": true, "ends visits": true, "needs a person": true}},
		"switched off": {v1alpha1.VDISessionStatus{ObservedGeneration: 1, Activity: woken(0), SleepTime: at(5), SleepReason: "PoweredOff"},
			is{"asleep": true}},
	} {
		t.Run(name, func(t *testing.T) {
			for what, predicate := range predicates {
				if got := predicate(&v1alpha1.VDISession{Status: tc.status}); got != tc.want[what] {
					t.Errorf("%s: %v, want %v", what, got, tc.want[what])
				}
			}
		})
	}
}

func TestASleepIsNotEarlierThanTheVisitThatWokeTheDesktop(t *testing.T) {
	s := &v1alpha1.VDISession{}
	if got := SleepTime(noon, s); !got.Time.Equal(noon) {
		t.Errorf("without a visit a sleep at noon is recorded at %s", got)
	}
	for _, skew := range []time.Duration{-time.Minute, 0, time.Minute} {
		s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: noon.Add(skew)}}
		s.Status.SleepTime = SleepTime(noon, s)
		if Visited(s) || s.Status.SleepTime.Time.Before(noon) {
			t.Errorf("the sleep is recorded at %s, after a visit at %s by another clock", s.Status.SleepTime, s.Status.Activity.LastWakeTime)
		}
	}
}
