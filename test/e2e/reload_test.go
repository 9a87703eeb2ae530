//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

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
			if err != nil {
				t.Fatal(err)
			}
			for i := range pods {
				all += fmt.Sprintf("%s %s restarted %d times\n", pods[i].Name, pods[i].UID, restarts(&pods[i]))
			}
		}
		return all
	}
	before := programs()
	const idle = 29 * time.Minute
	if err := in.Release().Upgrade(ctx, in.Chart(), "--reuse-values", "--set", "sessions.idleTimeout="+idle.String()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := in.Session(ctx, key, "told of the new idle timeout", func(s *v1alpha1.VDISession) bool {
		return s.Status.Lifecycle != nil && s.Status.Lifecycle.IdleTimeout.OrZero() == idle
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("it held %s after helm upgrade", time.Since(began).Round(time.Second))
	if after := programs(); after != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
	if s := callers[0].State(); s.Opened != 1 || s.Wrong != nil {
		t.Errorf("the client noticed: %+v", s)
	}
}
