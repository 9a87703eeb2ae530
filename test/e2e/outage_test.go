//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

const (
	// outage is how long the API server is away: longer than the operator's lease.
	outage = 45 * time.Second
	// unheard is a disconnect timeout that runs out several times in an outage, in which
	// nobody can tell the operator that somebody is connected.
	unheard = outage / 4
)

func TestNothingNoticesThatTheAPIServerIsAwayForLongerThanTheDisconnectTimeout(t *testing.T) {
	ctx := story(t)
	short := func(s *v1alpha1.VDITemplateSpec) { s.Lifecycle.DisconnectTimeout = clock(unheard) }
	desk := session(ctx, t, "seen", template(t, short), nil)
	stream, err := invited(ctx, t, desk).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	echo := session(ctx, t, "heard", echoing(t, short), nil)
	callers := calls(ctx, t, echo, 5)
	everyone(ctx, t, callers, "use the desktop", arrived)
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))
	desktops := map[string]corev1.Pod{}
	for _, key := range []string{desk.Name, echo.Name} {
		s, err := in.Session(ctx, withName(key), "running", harness.InPhase(v1alpha1.PhaseRunning))
		require.NoError(t, err)
		pods, err := in.Pods(ctx, s)
		require.NoError(t, err, key)
		require.Len(t, pods, 1, "%s has %d pods (%v)", key, len(pods), err)
		desktops[key] = pods[0]
	}

	thaw, err := in.Freeze(ctx, "kube-apiserver")
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { _ = thaw() }()
	began := time.Now()
	quick, cancel := context.WithTimeout(ctx, time.Second)
	assert.Error(t, in.Client.Get(quick, desk, &v1alpha1.VDISession{}), "the API server answers: this test could not fail")
	cancel()
	for time.Since(began) < outage {
		frames, heard := stream.Frames(), callers[0].State().Heard
		require.NoError(t, stream.WaitFrames(ctx, frames+wantFrames), "the picture stands still %s into the outage", time.Since(began))
		everyone(ctx, t, callers, "go on", func(s harness.Call) bool { return s.Heard > heard })
	}
	require.NoError(t, thaw())
	back := time.Now()

	// The world has to have caught up before it can be said that nothing has happened.
	err = eventually.Wait(ctx, "an operator that works again", func() error {
		pods, err := in.Programs(ctx, harness.Operator)
		if err == nil && len(pods) == 0 {
			err = errors.New("none is ready")
		}
		return err
	})
	require.NoError(t, err)
	for name, before := range desktops {
		s, err := in.Session(ctx, withName(name), "reported in use since the outage", func(s *v1alpha1.VDISession) bool {
			a := s.Status.Activity
			return s.Status.Phase == v1alpha1.PhaseRunning && a != nil && a.LastConnectedTime != nil && a.LastConnectedTime.After(back)
		})
		require.NoError(t, err)
		pods, err := in.Pods(ctx, s)
		require.NoError(t, err, name)
		require.Len(t, pods, 1, "%s has %d pods (%v)", name, len(pods), err)
		after := pods[0]
		require.Equal(t, before.UID, after.UID)
		assert.Equal(t, restarts(&before), restarts(&after),
			"the desktop of %s was restarted: %s, before %s", name, after.Name, before.Name)
		assert.Empty(t, s.Status.SleepReason, "%s was put to sleep", name)
	}
	for _, c := range callers {
		s := c.State()
		require.Equal(t, 1, s.Opened)
		assert.NoError(t, s.Wrong, "a client noticed: %+v", s)
	}
	t.Logf("the operator was ready again %s after the API server", time.Since(back).Round(time.Second))

	// What follows needs the whole cluster.
	assert.NoError(t, in.NodeReady(ctx))
	namespaces := []string{in.SystemNamespace}
	if in.Knative {
		namespaces = append(namespaces, "knative-serving")
	}
	for _, namespace := range namespaces {
		assert.NoError(t, in.AllReady(ctx, namespace))
	}
}

func restarts(p *corev1.Pod) (n int32) {
	for i := range p.Status.ContainerStatuses {
		n += p.Status.ContainerStatuses[i].RestartCount
	}
	return n
}
