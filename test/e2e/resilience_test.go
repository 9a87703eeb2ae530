//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

const (
	// crowd is how many clients wait for one desktop, and company how many use another
	// one meanwhile.
	crowd, company = 200, 10
	echoPath       = "/echo"
	heldMetric     = "vdi_activator_held_connections"
)

// echoing is a template whose desktop says again what it hears, and is quick to start.
func echoing(t *testing.T, change func(*v1alpha1.VDITemplateSpec)) string {
	t.Helper()
	return template(t, func(s *v1alpha1.VDITemplateSpec) {
		off, small := false, resource.MustParse("64Mi")
		cpu := resource.MustParse("50m")
		s.Image, s.SharedMemory = in.BenchImage, nil
		s.Streaming.Protocol = v1alpha1.ProtocolWebSocket
		s.Persistence = v1alpha1.TemplatePersistence{Enabled: &off}
		s.Resources.DefaultMemory, s.Resources.DefaultCPU = &small, &cpu
		s.Lifecycle.DisconnectTimeout = clock(time.Minute)
		if change != nil {
			change(s)
		}
	})
}

// calls has many clients connect to a desktop that echoes, until the test ends.
func calls(ctx context.Context, t *testing.T, key types.NamespacedName, n int) []*harness.Caller {
	t.Helper()
	visitor := invited(ctx, t, key)
	ctx, end := context.WithCancel(ctx)
	var callers []*harness.Caller
	for i := range n {
		callers = append(callers, visitor.Call(ctx, echoPath, fmt.Sprintf("%s %d", key.Name, i)))
	}
	t.Cleanup(func() {
		end()
		for _, c := range callers {
			c.Wait()
		}
	})
	return callers
}

// everyone waits until each of the callers passes the check.
func everyone(ctx context.Context, t *testing.T, callers []*harness.Caller, what string, check func(harness.Call) bool) {
	t.Helper()
	err := eventually.Wait(ctx, "every client to "+what, func() error {
		missing := 0
		var one harness.Call
		for _, c := range callers {
			if s := c.State(); !check(s) {
				missing, one = missing+1, s
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d do not, such as %+v", missing, len(callers), one)
		}
		return nil
	})
	require.NoError(t, err)
}

func arrived(s harness.Call) bool { return s.Open && s.Arrived }

// nothingLost fails the test when anything that a client said came back other than
// once and in order.
func nothingLost(t *testing.T, callers []*harness.Caller) {
	t.Helper()
	for _, c := range callers {
		assert.NoError(t, c.State().Wrong, "a client")
	}
}

// holding waits until the activators hold so many together, and each of them some, and
// returns their pods.
func holding(ctx context.Context, t *testing.T, replicas, want int) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	err := eventually.Wait(ctx, fmt.Sprintf("%d activators to hold %d", replicas, want), func() (err error) {
		if pods, err = in.Programs(ctx, harness.Activator); err != nil {
			return err
		}
		var each []float64
		sum := 0.0
		for i := range pods {
			held, err := in.Gauge(ctx, &pods[i], heldMetric)
			if err != nil {
				return err
			}
			each, sum = append(each, held), sum+held
		}
		if len(pods) != replicas || int(sum) != want || slices.Contains(each, 0) {
			return fmt.Errorf("they hold %v", each)
		}
		return nil
	})
	require.NoError(t, err)
	return pods
}

// TestEveryClientArrives is one story, because what happens to the activators and to
// the operator happens to everybody: desktops must not care.
func TestEveryClientArrives(t *testing.T) {
	ctx := story(t)
	tpl := echoing(t, nil)
	used, awaited := session(ctx, t, "used", tpl, nil), session(ctx, t, "awaited", tpl, nil)
	t.Cleanup(func() {
		for _, program := range []string{harness.Operator, harness.Activator} {
			assert.NoError(t, in.Scale(context.WithoutCancel(ctx), program, 1))
		}
	})
	require.NoError(t, in.Scale(ctx, harness.Activator, 2))
	live := calls(ctx, t, used, company)
	everyone(ctx, t, live, "use the first desktop", arrived)
	before, err := in.Session(ctx, used, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)

	// Without the operator no desktop wakes, so that they are held for as long as it takes.
	require.NoError(t, in.Scale(ctx, harness.Operator, 0))
	waiting := calls(ctx, t, awaited, crowd)
	pods := holding(ctx, t, 2, crowd)

	t.Run("though the activator that holds them is killed", func(t *testing.T) {
		require.NoError(t, in.Kill(ctx, &pods[0]))
		everyone(ctx, t, waiting, "be held again", func(s harness.Call) bool { return s.Open })
		err := eventually.Wait(ctx, "all of them to be held by who is left or new", func() error {
			return held(ctx, pods[0].Name, crowd)
		})
		require.NoError(t, err)
		again := 0
		for _, c := range waiting {
			if s := c.State(); s.Opened > 1 {
				again++
			}
			s := c.State()
			require.False(t, s.Arrived)
			require.LessOrEqual(t, s.Heard, 0, "a client has arrived where there is no desktop: %+v", s)
		}
		require.NotEqual(t, 0, again, "%d", again)
		assert.NotEqual(t, crowd, again, "%d of %d clients connected again, want those of one activator of two", again, crowd)
		everyone(ctx, t, live, "use the first desktop again", arrived)
		t.Logf("%d of %d held clients were held by the activator that was killed", again, crowd)
	})

	t.Run("through a rolling update, which cuts no live connection", func(t *testing.T) {
		require.NoError(t, in.Scale(ctx, harness.Activator, 2))
		counts, heard := map[*harness.Caller]int{}, map[*harness.Caller]int{}
		for _, c := range append(slices.Clone(waiting), live...) {
			counts[c] = len(c.State().Closes)
		}
		require.NoError(t, in.Restart(ctx, harness.Activator))
		everyone(ctx, t, waiting, "be told to go to another activator and be held there", func(s harness.Call) bool { return s.Open })
		err := eventually.Wait(ctx, "all of them to be held by the new ones", func() error { return held(ctx, "", crowd) })
		require.NoError(t, err)
		for _, c := range waiting {
			s := c.State()
			for _, code := range s.Closes[counts[c]:] {
				assert.Equal(t, websocket.CloseServiceRestart, code, "a held client's connection ended")
			}
		}
		for _, c := range live {
			s := c.State()
			heard[c] = s.Heard
			assert.Len(t, s.Closes, counts[c], "a live connection ended with %v", s.Closes[counts[c]:])
		}
		err = eventually.Wait(ctx, "the live connections to go on", func() error {
			for _, c := range live {
				if s := c.State(); s.Heard <= heard[c] {
					return errors.New("one stands still")
				}
			}
			return nil
		})
		assert.NoError(t, err)
	})

	t.Run("once the operator that was away takes up the wake", func(t *testing.T) {
		require.NoError(t, in.Scale(ctx, harness.Operator, 1))
		everyone(ctx, t, waiting, "arrive", arrived)
		everyone(ctx, t, waiting, "have its words come back", func(s harness.Call) bool { return s.Heard > 1 })
		nothingLost(t, waiting)
	})

	nothingLost(t, live)
	after, err := in.Session(ctx, used, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.Equal(t, before.Status.PodName, after.Status.PodName, "the desktop in use was restarted: pod, before")
}

// held returns nil when the activators but this one hold so many together.
func held(ctx context.Context, but string, want int) error {
	pods, err := in.Programs(ctx, harness.Activator)
	if err != nil {
		return err
	}
	sum := 0.0
	for i := range pods {
		if pods[i].Name == but {
			continue
		}
		n, err := in.Gauge(ctx, &pods[i], heldMetric)
		if err != nil {
			return err
		}
		sum += n
	}
	if int(sum) != want {
		return fmt.Errorf("they hold %v", sum)
	}
	return nil
}

func TestAClientComesBackToASessionWhosePodIsKilled(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "killed", echoing(t, nil), nil)
	callers := calls(ctx, t, key, 3)
	everyone(ctx, t, callers, "use the desktop", arrived)
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	require.Len(t, pods, 1, "pods, want 1")
	require.NoError(t, in.Kill(ctx, &pods[0]))
	everyone(ctx, t, callers, "use the next one", func(s harness.Call) bool { return arrived(s) && s.Opened > 1 })
	for _, c := range callers {
		s := c.State()
		for _, code := range s.Closes {
			assert.Equal(t, websocket.CloseServiceRestart, code, "its connection ended, which makes clients connect again")
		}
	}
	nothingLost(t, callers)
	s, err = in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.Empty(t, s.Status.SleepReason, "the session was put to sleep meanwhile")
}
