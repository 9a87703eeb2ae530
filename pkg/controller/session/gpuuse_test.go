package session

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestASleepRecordsWhatTheDesktopTookOfGPUs(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionTrue)
	running, _ := s.look()
	assert.Empty(t, running.Status.GPUUse, "the present wake is not on record")
	woke := running.Status.StartTime.Time
	s.now = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)
	asleep, _ := s.look()
	require.NotNil(t, asleep.Status.SleepTime)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	want := []v1alpha1.GPUDay{{Day: "2026-11-23", Seconds: int64(midnight.Sub(woke).Seconds())}, {Day: "2026-11-24", Seconds: 3600}}
	assert.Equal(t, want, asleep.Status.GPUUse)

	s.now = s.now.Add(time.Hour)
	s.visit()
	s.look()
	s.now = s.now.Add(time.Hour)
	want[1].Seconds += 3600
	asleep, _ = s.look()
	assert.Equal(t, want, asleep.Status.GPUUse, "the same day once more")
	again, _ := s.look()
	assert.Equal(t, want, again.Status.GPUUse, "at rest")
}
