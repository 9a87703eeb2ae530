package wake

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestThatADesktopWasReachedIsNewsOnceAStart(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(after time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(after)} }
	asks := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotReached}}
	reached := func(after time.Duration) *v1alpha1.SessionActivity {
		return &v1alpha1.SessionActivity{LastReachedTime: at(after)}
	}
	for name, tc := range map[string]struct {
		status v1alpha1.VDISessionStatus
		news   bool
	}{
		"asleep":                 {v1alpha1.VDISessionStatus{}, false},
		"asleep, and asked for":  {v1alpha1.VDISessionStatus{Conditions: asks}, false},
		"awake":                  {v1alpha1.VDISessionStatus{StartTime: at(0)}, true},
		"reached before":         {v1alpha1.VDISessionStatus{StartTime: at(0), Activity: reached(-time.Second)}, true},
		"reached":                {v1alpha1.VDISessionStatus{StartTime: at(0), Activity: reached(time.Second)}, false},
		"reached, but asked for": {v1alpha1.VDISessionStatus{StartTime: at(0), Activity: reached(time.Second), Conditions: asks}, true},
	} {
		if got := newsOfReach(&v1alpha1.VDISession{Status: tc.status}); got != tc.news {
			t.Errorf("%s: %t", name, got)
		}
	}
	s := &v1alpha1.VDISession{Status: v1alpha1.VDISessionStatus{StartTime: at(time.Second)}}
	if got := reachedStamp(noon, directory.View{Session: s}); !got.After(s.Status.StartTime.Time) {
		t.Errorf("a clock that is behind writes %s, before the wake", got)
	}
	pod := &directory.Pod{StartedAt: noon.Add(time.Minute)}
	if got := reachedStamp(noon, directory.View{Session: s, Pod: pod}); !got.After(pod.StartedAt) {
		t.Errorf("a clock that is behind the node's writes %s, before the container's start", got)
	}
}
