//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// configure changes the configuration's file and returns what became of it.
func configure(t *testing.T, sessions string) error {
	t.Helper()
	next := configuration + ".next"
	require.NoError(t, os.WriteFile(next, []byte(leastConfiguration+"sessions: "+sessions+"\n"), 0o600))
	require.NoError(t, os.Rename(next, configuration))
	select {
	case err := <-reloads:
		return err
	case <-time.After(patience):
		t.Fatal("the changed file was not noticed")
		return nil
	}
}

func TestARequestInTheSpecWakesADesktopAndPutsItToSleep(t *testing.T) {
	s := given(t, space(t), "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	ask := func(field string) {
		at := lifecycle.RequestTime(time.Now(), get(t, s)).UTC().Format(metav1.RFC3339Micro)
		require.NoError(t, patchSession(t, s, fmt.Sprintf(`{"spec":{%q:%q}}`, field, at)))
	}
	assert.ErrorContains(t, patchSession(t, s, `{"spec":{"wakeAt":"2026-11-29T12:00:00Z"}}`), "spec.wakeAt", "lists of sessions would be unreadable")
	ask("wakeAt")
	awaitPhase(t, s, v1alpha1.PhaseCreating)
	ask("sleepAt")
	now := awaitPhase(t, s, v1alpha1.PhaseAsleep)
	assert.Equal(t, v1alpha1.ReasonSleepRequested, now.Status.SleepReason)
	ask("wakeAt")
	awaitPhase(t, s, v1alpha1.PhaseCreating)
}

func TestAChangedTimeoutHoldsAtOnceForSessionsThatLive(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	own := newSession(ns, "own", ns)
	own.Spec.User = "own@example.com"
	own.Spec.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: &v1alpha1.Duration{Duration: metav1.Duration{Duration: time.Hour}}}
	require.NoError(t, api.Create(t.Context(), own))
	t.Cleanup(func() {
		assert.NoError(t, configure(t, "{}"))
	})

	woken(t, s)
	startPod(t, s)
	awake := awaitPhase(t, s, v1alpha1.PhaseRunning)
	typed := fmt.Sprintf(`{"status":{"activity":{"lastInputTime":%q}}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(typed))))

	idle := func(want time.Duration) func() error {
		return func() error {
			now := get(t, s)
			if got := now.Status.Lifecycle.IdleTimeout.OrZero(); got != want {
				return fmt.Errorf("idle timeout %s, want %s", got, want)
			}
			return nil
		}
	}
	require.NoError(t, configure(t, "{idleTimeout: 2m}"))
	eventually.NoError(t, "the new idle timeout to hold", idle(2*time.Minute))

	// A bad file changes nothing.
	if err := configure(t, "{idleTimeout: 1s}"); err == nil {
		t.Fatal("a bad file was taken")
	} else {
		wantText(t, err.Error(), "sessions.idleTimeout", "1s", "between 10s and 8760h0m0s")
	}
	always(t, "the good one still holds", idle(2*time.Minute))

	// The nearest wins: who says otherwise is not touched.
	assert.Equal(t, time.Hour, get(t, own).Status.Lifecycle.IdleTimeout.OrZero(), "the session's own idle timeout came out as")
	assert.True(t, get(t, s).Status.StartTime.Equal(awake.Status.StartTime), "the desktop was woken anew")
}
