package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// wokenInAStorm is a stage whose desktop was woken while others' wakes are recorded.
func wokenInAStorm(t *testing.T) (s *stage, at time.Time) {
	t.Helper()
	s = newStage(t)
	s.visit()
	s.r.recording.Store(recordsAtOnce)
	now, again := s.look()
	require.False(t, lifecycle.Awake(now), "is recorded")
	require.Equal(t, recordRetry, again)
	require.Equal(t, []bool{true}, s.scaled, "its pod is asked for all the same")
	assert.EqualValues(t, recordsAtOnce, s.r.recording.Load())
	at, s.now = s.now, s.now.Add(time.Second)
	return s, at
}

func TestInAStormAPodIsAskedForBeforeOthersWakesAreRecorded(t *testing.T) {
	s, woke := wokenInAStorm(t)
	_, again := s.look()
	assert.Equal(t, recordRetry, again)
	s.r.recording.Store(0)
	now, _ := s.look()
	assert.True(t, now.Status.StartTime.Time.Equal(woke), "woke at %s, want %s", now.Status.StartTime, woke)
	assert.Equal(t, v1alpha1.PhaseCreating, now.Status.Phase)
	assert.Equal(t, []bool{true}, s.scaled, "scaled again")
	assert.Equal(t, []string{"woke"}, s.counted)
	assert.Zero(t, s.r.recording.Load())
	_, _ = s.look()
	assert.Equal(t, []bool{true, true}, s.scaled, "is looked at no more")
}

func TestAWakeIsDecidedAnewWhereTheSessionChangesBeforeItsRecord(t *testing.T) {
	s, _ := wokenInAStorm(t)
	off := s.session()
	off.Spec.Power = v1alpha1.PowerOff
	require.NoError(t, s.r.Client.Update(t.Context(), off))
	s.r.recording.Store(0)
	now, again := s.look()
	assert.False(t, lifecycle.Awake(now))
	assert.Equal(t, conflictRetry, again)
	now, _ = s.look()
	assert.False(t, lifecycle.Awake(now))
	assert.Equal(t, []bool{true, false}, s.scaled)
	assert.Empty(t, s.counted)
}

func TestTheRecordOfADeletedSessionIsForgotten(t *testing.T) {
	s, _ := wokenInAStorm(t)
	session := s.session()
	session.Finalizers = nil
	require.NoError(t, s.r.Client.Update(t.Context(), session))
	require.NoError(t, s.r.Client.Delete(t.Context(), session))
	s.r.recording.Store(0)
	for range 2 {
		result, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		require.NoError(t, err)
		assert.LessOrEqual(t, result.RequeueAfter, conflictRetry)
	}
	_, kept := s.r.unrecorded.Load(key)
	assert.False(t, kept)
}
