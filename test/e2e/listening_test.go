//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

// soon is a disconnect timeout in which a client finds an activator that has just come back.
// It is shorter than the time in which the operator notices that the last one has gone,
// listening.Lapse, and three of them are longer.
const soon = 12 * time.Second

// With no activator nobody can say who uses a desktop, whose video may go on all the same. So
// none sleeps. Once there is one again, who comes back keeps the desktop, and who does not
// leaves it to sleep. It runs alone, as all that ends the activators.
func TestNoDesktopSleepsWhileThereIsNoActivator(t *testing.T) {
	ctx := story(t)
	tpl := echoing(t, func(s *v1alpha1.VDITemplateSpec) { s.Lifecycle.DisconnectTimeout = clock(soon) })
	kept, left := session(ctx, t, "kept", tpl, nil), session(ctx, t, "left", tpl, nil)
	visitor := invited(ctx, t, kept)
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	everyone(ctx, t, append(calls(leaving, t, kept, 1), calls(leaving, t, left, 1)...), "use their desktops", arrived)
	pods := map[string]string{}
	for _, name := range []string{kept.Name, left.Name} {
		s, err := in.Session(ctx, withName(name), "running", harness.InPhase(v1alpha1.PhaseRunning))
		require.NoError(t, err)
		pods[name] = s.Status.PodName
	}

	t.Cleanup(func() { assert.NoError(t, in.Scale(context.WithoutCancel(ctx), harness.Activator, 1)) })
	activators, err := in.Programs(ctx, harness.Activator)
	require.NoError(t, err)
	require.NoError(t, in.Scale(ctx, harness.Activator, 0))
	for i := range activators {
		require.NoError(t, in.Kill(ctx, &activators[i])) // one that ends in order relays until then
	}
	leave() // a connection to a pod that is gone may look open for minutes
	for away := time.Now(); time.Since(away) < 3*soon; time.Sleep(time.Second) {
		for name, pod := range pods {
			s := &v1alpha1.VDISession{}
			require.NoError(t, in.Client.Get(ctx, withName(name), s))
			require.Empty(t, s.Status.SleepReason, "%s was put to sleep %s after the activators had gone", name, time.Since(away))
			require.Equal(t, pod, s.Status.PodName, "the pod of %s", name)
		}
	}

	require.NoError(t, in.Scale(ctx, harness.Activator, 1))
	back := time.Now()
	everyone(ctx, t, []*harness.Caller{visitor.Call(ctx, echoPath, "who comes back")}, "use the desktop again", arrived)
	s, err := in.Session(ctx, left, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	assert.Equal(t, v1alpha1.ReasonDisconnectTimeout, s.Status.SleepReason)
	t.Logf("the desktop that nobody came back to slept %s after the activator was back", time.Since(back).Round(time.Second))
	err = eventually.Wait(ctx, "the other one's use to be reported", func() error {
		s := &v1alpha1.VDISession{}
		if err := in.Client.Get(ctx, kept, s); err != nil {
			return err
		}
		if a := s.Status.Activity; a == nil || a.LastConnectedTime == nil || a.LastConnectedTime.Time.Before(back.Add(soon)) {
			return fmt.Errorf("activity is %+v", a)
		}
		return nil
	})
	require.NoError(t, err)
	s, err = in.Session(ctx, kept, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.Empty(t, s.Status.SleepReason, "the desktop in use was put to sleep")
	assert.Equal(t, pods[kept.Name], s.Status.PodName, "the desktop in use was restarted: pod, before")
}
