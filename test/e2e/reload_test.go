//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

func TestHelmUpgradeChangesTheIdleTimeoutOfALiveSessionAndRestartsNothing(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "clocked", echoing(t, nil), nil)
	callers := calls(ctx, t, key, 1)
	everyone(ctx, t, callers, "use the desktop", arrived)
	programs := func() string {
		var all string
		for _, program := range []string{harness.Operator, harness.Activator} {
			pods, err := in.Programs(ctx, program)
			require.NoError(t, err)
			for i := range pods {
				all += fmt.Sprintf("%s %s restarted %d times\n", pods[i].Name, pods[i].UID, restarts(&pods[i]))
			}
		}
		return all
	}
	before := programs()
	const idle = 29 * time.Minute
	require.NoError(t, in.Release().Upgrade(ctx, in.Chart(), "--reuse-values", "--set", "sessions.idleTimeout="+idle.String()))
	began := time.Now()
	_, err := in.Session(ctx, key, "told of the new idle timeout", func(s *v1alpha1.VDISession) bool {
		return s.Status.Lifecycle != nil && s.Status.Lifecycle.IdleTimeout.OrZero() == idle
	})
	require.NoError(t, err)
	t.Logf("it held %s after helm upgrade", time.Since(began).Round(time.Second))
	assert.Equal(t, before, programs(), "before, after")
	s := callers[0].State()
	require.Equal(t, 1, s.Opened)
	assert.NoError(t, s.Wrong, "the client noticed: %+v", s)
}
