//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/test/harness"
)

func TestASecondSessionWaitsForAGPUUntilTheFirstSleeps(t *testing.T) {
	t.Parallel()
	gpus.Lock()
	defer gpus.Unlock()
	ctx := story(t)
	all := allocatableGPUs(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(all) })
	first := session(ctx, t, "gpu-first", tpl, nil)
	second := session(ctx, t, "gpu-second", tpl, nil)

	one := invited(ctx, t, first)
	holder, err := one.View(ctx, nil)
	require.NoError(t, err)
	defer holder.Close()
	require.NoError(t, holder.WaitFrames(ctx, 1))

	two := invited(ctx, t, second)
	waiter, err := two.View(ctx, nil)
	require.NoError(t, err)
	defer waiter.Close()
	s, err := in.Session(ctx, second, "waiting for a GPU", func(s *v1alpha1.VDISession) bool {
		return s.Status.Phase == v1alpha1.PhaseCreating && strings.Contains(s.Status.Message, "GPU")
	})
	require.NoError(t, err)
	t.Logf("the second session says: %s", s.Status.Message)
	err = eventually.Wait(ctx, "the waiting visitor to read why", func() error {
		status, err := two.Status(ctx)
		if err == nil && !strings.Contains(status.Message, "GPU") {
			err = fmt.Errorf("the page says %q", status.Message)
		}
		return err
	})
	assert.NoError(t, err)

	holder.Close()
	require.NoError(t, waiter.WaitFrames(ctx, 1), "the second desktop did not start when the first slept")
}

func allocatableGPUs(t *testing.T) int32 {
	t.Helper()
	var nodes corev1.NodeList
	require.NoError(t, in.Client.List(t.Context(), &nodes))
	var most int64
	for i := range nodes.Items {
		q := nodes.Items[i].Status.Allocatable["nvidia.com/gpu"]
		most = max(most, q.Value())
	}
	require.Len(t, nodes.Items, 1)
	require.NotEqualValues(t, 0, most, "this story needs one node with GPUs; have %d nodes and %d GPUs", len(nodes.Items), most)
	return int32(most)
}

func TestDeletingASessionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) { s.Persistence.ReclaimPolicy = v1alpha1.ReclaimDelete })
	key := session(ctx, t, "gone", tpl, nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	left, err := in.Leftovers(ctx, s)
	require.NoError(t, err)
	require.NotEmpty(t, left, "a running session has no objects: this test could not fail")
	require.NoError(t, in.Client.Delete(ctx, s))
	err = eventually.Wait(ctx, "the session and all that it brought to be gone", func() error {
		return in.Nothing(ctx, s)
	})
	require.NoError(t, err)
}

// comesBackWhileItEnds puts the desktop to sleep and visits it before its pod is gone: the
// visit is held, and served by the next pod, which never runs beside that one.
func comesBackWhileItEnds(ctx context.Context, t *testing.T, key client.ObjectKey) {
	t.Helper()
	power := func(to v1alpha1.Power) {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		require.NoError(t, in.Client.Patch(ctx, s, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"power":%q}}`, to))))
	}
	power(v1alpha1.PowerOff)
	s, err := in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	before, err := in.Pods(ctx, s)
	require.NoError(t, err)
	require.NotEmpty(t, before, "the pod is gone already: this test could not fail")
	power(v1alpha1.PowerOnDemand)
	served := make(chan error, 1)
	visitor := invited(ctx, t, key)
	go func() {
		stream, err := visitor.View(ctx, nil)
		if err == nil {
			err = stream.WaitFrames(ctx, 1)
			stream.Close()
		}
		served <- err
	}()
	for {
		select {
		case err := <-served:
			require.NoError(t, err)
			return
		case <-time.After(100 * time.Millisecond):
		}
		now, err := in.Pods(ctx, s)
		require.NoError(t, err)
		now = slices.DeleteFunc(now, func(p corev1.Pod) bool { return pods.Ended(&p) }) // nothing of it writes any more
		require.LessOrEqual(t, len(now), 1, "two pods have one home")
	}
}

func TestAHomeOutlivesItsSessionAndComesBackWithTheNext(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	heir := func(s *v1alpha1.VDISessionSpec) { s.User = "heir@example.com" }
	first := session(ctx, t, "before", tpl, heir)
	require.NoError(t, invited(ctx, t, first).WriteFile(ctx, "will", "to my next session"))
	comesBackWhileItEnds(ctx, t, first)
	// The home is in use: a second session of the same person must not write to it.
	clash := create(ctx, t, "clash", tpl, heir)
	if _, err := in.Session(ctx, clash, "refused the home", func(s *v1alpha1.VDISession) bool {
		return strings.Contains(s.Status.Message, "before")
	}); err != nil {
		t.Fatal(err)
	}
	s := &v1alpha1.VDISession{}
	for _, key := range []client.ObjectKey{clash, first} {
		require.NoError(t, in.Client.Get(ctx, key, s))
		require.NoError(t, in.Client.Delete(ctx, s))
	}
	next := session(ctx, t, "after", tpl, heir)
	got, err := invited(ctx, t, next).ReadFile(ctx, "will")
	require.NoError(t, err)
	assert.Equal(t, "to my next session", got, "the next session's home holds")
}
