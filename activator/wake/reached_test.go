package wake

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
		"reached in a year":      {v1alpha1.VDISessionStatus{StartTime: at(0), Activity: reached(365 * 24 * time.Hour)}, true},
		"reached, but asked for": {v1alpha1.VDISessionStatus{StartTime: at(0), Activity: reached(time.Second), Conditions: asks}, true},
	} {
		assert.Equal(t, tc.news, newsOfReach(noon.Add(2*time.Second), &v1alpha1.VDISession{Status: tc.status}), name)
	}
	s := &v1alpha1.VDISession{Status: v1alpha1.VDISessionStatus{StartTime: at(time.Second)}}
	got := reachedStamp(noon, directory.View{Session: s})
	assert.True(t, got.After(s.Status.StartTime.Time), "a clock that is behind writes %s, before the wake", got)
	pod := &directory.Pod{StartedAt: noon.Add(time.Minute)}
	got = reachedStamp(noon, directory.View{Session: s, Pod: pod})
	assert.True(t, got.After(pod.StartedAt), "a clock that is behind the node's writes %s, before the container's start", got)
}
