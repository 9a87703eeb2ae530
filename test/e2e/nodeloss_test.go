//go:build e2e

package e2e

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// A node whose kubelet does not answer is lost as far as anybody can tell, and what runs on it
// runs on. The session says so, and when the node is back before the desktop is given up, nobody
// has noticed. It runs alone: it is everybody's node.
func TestADesktopInUseOutlivesTheSilenceOfItsNode(t *testing.T) {
	ctx := story(t)
	key := session(ctx, t, "distant", echoing(t, nil), nil)
	callers := calls(ctx, t, key, 2)
	everyone(ctx, t, callers, "use the desktop", arrived)
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	before := only(t, s)

	thaw, err := in.Freeze(ctx, "kubelet")
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { _ = thaw() }()
	s, err = in.Session(ctx, key, "on a lost node", func(s *v1alpha1.VDISession) bool {
		return s.Status.Waiting != nil && s.Status.Waiting.Reason == v1alpha1.ReasonNodeLost
	})
	require.NoError(t, err)
	assert.Contains(t, s.Status.Waiting.Detail, before.Spec.NodeName)
	heard := callers[0].State().Heard
	everyone(ctx, t, callers, "go on", func(s harness.Call) bool { return s.Heard > heard })
	require.NoError(t, thaw())

	require.NoError(t, in.NodeReady(ctx))
	s, err = in.Session(ctx, key, "running again", func(s *v1alpha1.VDISession) bool {
		return s.Status.Phase == v1alpha1.PhaseRunning && s.Status.Waiting == nil
	})
	require.NoError(t, err)
	after := only(t, s)
	require.Equal(t, before.UID, after.UID)
	assert.Equal(t, restarts(&before), restarts(&after), "the desktop was restarted")
	for _, c := range callers {
		s := c.State()
		require.Equal(t, 1, s.Opened)
		assert.NoError(t, s.Wrong, "a client noticed: %+v", s)
	}
}
