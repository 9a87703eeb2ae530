//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// TestAnInstallationChangesOverWhileADesktopIsInUse changes from what the installation
// runs on to the other. The way back is the same code, and an integration test's.
func TestAnInstallationChangesOverWhileADesktopIsInUse(t *testing.T) {
	ctx := story(t)
	key := session(ctx, t, "changing", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	const content = "from before"
	require.NoError(t, visitor.WriteFile(ctx, "note.txt", content))
	stream, err := visitor.View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	before := only(t, s)
	require.NoError(t, upgrade(ctx, "--set", fmt.Sprintf("knative.enabled=%t", !in.Knative)))
	s, err = in.Session(ctx, key, "told that it changes when it sleeps", func(s *v1alpha1.VDISession) bool {
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionUpToDate)
		return c != nil && c.Reason == v1alpha1.ReasonWaitingForSleep && strings.Contains(c.Message, "otherwise now")
	})
	require.NoError(t, err)
	frames := stream.Frames()
	assert.NoError(t, stream.WaitFrames(ctx, frames+wantFrames), "the picture stands still")
	after := only(t, s)
	require.Equal(t, before.UID, after.UID)
	assert.Equal(t, restarts(&before), restarts(&after), "the live desktop was restarted: %s, before %s", after.Name, before.Name)
	stream.Close()

	s, err = in.Session(ctx, key, "changed over", func(s *v1alpha1.VDISession) bool {
		return s.Status.Phase == v1alpha1.PhaseAsleep && meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionUpToDate)
	})
	require.NoError(t, err)
	got, err := visitor.ReadFile(ctx, "note.txt")
	require.NoError(t, err)
	assert.Equal(t, content, got, "after the change the file holds")
	pod := only(t, s)
	_, onKnative := pod.Labels["serving.knative.dev/revision"]
	assert.NotEqual(t, in.Knative, onKnative, "its pod is Knative's, want %t", !in.Knative)
}

// only is the one pod of the session.
func only(t *testing.T, s *v1alpha1.VDISession) corev1.Pod {
	t.Helper()
	pods, err := in.Pods(t.Context(), s)
	require.NoError(t, err, s.Name)
	require.Len(t, pods, 1, "%s has %d pods (%v), want 1", s.Name, len(pods), err)
	return pods[0]
}
