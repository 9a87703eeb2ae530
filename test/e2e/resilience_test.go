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
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
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
	err := harness.Eventually(ctx, "every client to "+what, func() error {
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
	if err != nil {
		t.Fatal(err)
	}
}

func arrived(s harness.Call) bool { return s.Open && s.Arrived }

// nothingLost fails the test when anything that a client said came back other than
// once and in order.
func nothingLost(t *testing.T, callers []*harness.Caller) {
	t.Helper()
	for _, c := range callers {
		if s := c.State(); s.Wrong != nil {
			t.Errorf("a client %v", s.Wrong)
		}
	}
}

// holding waits until the activators hold so many together, and each of them some, and
// returns their pods.
func holding(ctx context.Context, t *testing.T, replicas, want int) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	err := harness.Eventually(ctx, fmt.Sprintf("%d activators to hold %d", replicas, want), func() (err error) {
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
	if err != nil {
		t.Fatal(err)
	}
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
			if err := in.Scale(context.WithoutCancel(ctx), program, 1); err != nil {
				t.Error(err)
			}
		}
	})
	if err := in.Scale(ctx, harness.Activator, 2); err != nil {
		t.Fatal(err)
	}
	live := calls(ctx, t, used, company)
	everyone(ctx, t, live, "use the first desktop", arrived)
	before, err := in.Session(ctx, used, "running", harness.InPhase(v1alpha1.PhaseRunning))
	if err != nil {
		t.Fatal(err)
	}

	// Without the operator no desktop wakes, so that they are held for as long as it takes.
	if err := in.Scale(ctx, harness.Operator, 0); err != nil {
		t.Fatal(err)
	}
	waiting := calls(ctx, t, awaited, crowd)
	pods := holding(ctx, t, 2, crowd)

	t.Run("though the activator that holds them is killed", func(t *testing.T) {
		if err := in.Kill(ctx, &pods[0]); err != nil {
			t.Fatal(err)
		}
		everyone(ctx, t, waiting, "be held again", func(s harness.Call) bool { return s.Open })
		err := harness.Eventually(ctx, "all of them to be held by who is left or new", func() error {
			return held(ctx, pods[0].Name, crowd)
		})
		if err != nil {
			t.Fatal(err)
		}
		again := 0
		for _, c := range waiting {
			if s := c.State(); s.Opened > 1 {
				again++
			}
			if s := c.State(); s.Arrived || s.Heard > 0 {
				t.Fatalf("a client has arrived where there is no desktop: %+v", s)
			}
		}
		if again == 0 || again == crowd {
			t.Errorf("%d of %d clients connected again, want those of one activator of two", again, crowd)
		}
		everyone(ctx, t, live, "use the first desktop again", arrived)
		t.Logf("%d of %d held clients were held by the activator that was killed", again, crowd)
	})

	t.Run("through a rolling update, which cuts no live connection", func(t *testing.T) {
		if err := in.Scale(ctx, harness.Activator, 2); err != nil {
			t.Fatal(err)
		}
		counts, heard := map[*harness.Caller]int{}, map[*harness.Caller]int{}
		for _, c := range append(slices.Clone(waiting), live...) {
			counts[c] = len(c.State().Closes)
		}
		if err := in.Restart(ctx, harness.Activator); err != nil {
			t.Fatal(err)
		}
		everyone(ctx, t, waiting, "be told to go to another activator and be held there", func(s harness.Call) bool { return s.Open })
		err := harness.Eventually(ctx, "all of them to be held by the new ones", func() error { return held(ctx, "", crowd) })
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range waiting {
			s := c.State()
			for _, code := range s.Closes[counts[c]:] {
				if code != websocket.CloseServiceRestart {
					t.Errorf("a held client's connection ended with %d, want %d", code, websocket.CloseServiceRestart)
				}
			}
		}
		for _, c := range live {
			s := c.State()
			heard[c] = s.Heard
			if len(s.Closes) != counts[c] {
				t.Errorf("a live connection ended with %v", s.Closes[counts[c]:])
			}
		}
		err = harness.Eventually(ctx, "the live connections to go on", func() error {
			for _, c := range live {
				if s := c.State(); s.Heard <= heard[c] {
					return errors.New("one stands still")
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})

	t.Run("once the operator that was away takes up the wake", func(t *testing.T) {
		if err := in.Scale(ctx, harness.Operator, 1); err != nil {
			t.Fatal(err)
		}
		everyone(ctx, t, waiting, "arrive", arrived)
		everyone(ctx, t, waiting, "have its words come back", func(s harness.Call) bool { return s.Heard > 1 })
		nothingLost(t, waiting)
	})

	nothingLost(t, live)
	if after, err := in.Session(ctx, used, "running", harness.InPhase(v1alpha1.PhaseRunning)); err != nil || after.Status.PodName != before.Status.PodName {
		t.Errorf("the desktop in use was restarted: pod %s, before %s (%v)", after.Status.PodName, before.Status.PodName, err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	pods, err := in.Pods(ctx, s)
	if err != nil || len(pods) != 1 {
		t.Fatalf("%d pods (%v), want 1", len(pods), err)
	}
	if err := in.Kill(ctx, &pods[0]); err != nil {
		t.Fatal(err)
	}
	everyone(ctx, t, callers, "use the next one", func(s harness.Call) bool { return arrived(s) && s.Opened > 1 })
	for _, c := range callers {
		s := c.State()
		for _, code := range s.Closes {
			if code != websocket.CloseServiceRestart {
				t.Errorf("its connection ended with %d, want %d, which makes clients connect again", code, websocket.CloseServiceRestart)
			}
		}
	}
	nothingLost(t, callers)
	if s, err = in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning)); err != nil || s.Status.SleepReason != "" {
		t.Errorf("the session was put to sleep meanwhile: %q (%v)", s.Status.SleepReason, err)
	}
}
