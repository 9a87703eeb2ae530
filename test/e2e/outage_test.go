//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// outage is how long the API server is away.
const outage = time.Minute

func TestNothingNoticesThatTheAPIServerIsAwayForAMinute(t *testing.T) {
	ctx := story(t)
	// The chart's disconnect timeout: longer than the outage, in which nobody can tell
	// the operator that somebody is connected.
	usual := func(s *v1alpha1.VDITemplateSpec) { s.Lifecycle = nil }
	desk := session(ctx, t, "seen", template(t, usual), nil)
	stream, err := invited(ctx, t, desk).View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	echo := session(ctx, t, "heard", echoing(t, usual), nil)
	callers := calls(ctx, t, echo, 5)
	everyone(ctx, t, callers, "use the desktop", arrived)
	if err := stream.WaitFrames(ctx, wantFrames); err != nil {
		t.Fatal(err)
	}
	desktops := map[string]corev1.Pod{}
	for _, key := range []string{desk.Name, echo.Name} {
		s, err := in.Session(ctx, withName(key), "running", harness.InPhase(v1alpha1.PhaseRunning))
		if err != nil {
			t.Fatal(err)
		}
		pods, err := in.Pods(ctx, s)
		if err != nil || len(pods) != 1 {
			t.Fatalf("%s has %d pods (%v)", key, len(pods), err)
		}
		desktops[key] = pods[0]
	}

	thaw, err := in.Freeze(ctx, "kube-apiserver")
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = thaw() }()
	began := time.Now()
	quick, cancel := context.WithTimeout(ctx, time.Second)
	if err := in.Client.Get(quick, desk, &v1alpha1.VDISession{}); err == nil {
		t.Error("the API server answers: this test could not fail")
	}
	cancel()
	for time.Since(began) < outage {
		frames, heard := stream.Frames(), callers[0].State().Heard
		if err := stream.WaitFrames(ctx, frames+wantFrames); err != nil {
			t.Fatalf("the picture stands still %s into the outage: %v", time.Since(began), err)
		}
		everyone(ctx, t, callers, "go on", func(s harness.Call) bool { return s.Heard > heard })
	}
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()

	// The world has to have caught up before it can be said that nothing has happened.
	err = harness.Eventually(ctx, "an operator that works again", func() error {
		pods, err := in.Programs(ctx, harness.Operator)
		if err == nil && len(pods) == 0 {
			err = errors.New("none is ready")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, before := range desktops {
		s, err := in.Session(ctx, withName(name), "reported in use since the outage", func(s *v1alpha1.VDISession) bool {
			a := s.Status.Activity
			return s.Status.Phase == v1alpha1.PhaseRunning && a != nil && a.LastConnectedTime != nil && a.LastConnectedTime.After(back)
		})
		if err != nil {
			t.Fatal(err)
		}
		pods, err := in.Pods(ctx, s)
		if err != nil || len(pods) != 1 {
			t.Fatalf("%s has %d pods (%v)", name, len(pods), err)
		}
		if after := pods[0]; after.UID != before.UID || restarts(&after) != restarts(&before) {
			t.Errorf("the desktop of %s was restarted: %s, before %s", name, after.Name, before.Name)
		}
		if s.Status.SleepReason != "" {
			t.Errorf("%s was put to sleep: %s", name, s.Status.SleepReason)
		}
	}
	for _, c := range callers {
		if s := c.State(); s.Opened != 1 || s.Wrong != nil {
			t.Errorf("a client noticed: %+v", s)
		}
	}
	t.Logf("the operator was ready again %s after the API server", time.Since(back).Round(time.Second))

	// What follows needs the whole cluster.
	if err := in.NodeReady(ctx); err != nil {
		t.Error(err)
	}
	namespaces := []string{in.SystemNamespace}
	if in.Knative {
		namespaces = append(namespaces, "knative-serving")
	}
	for _, namespace := range namespaces {
		if err := in.AllReady(ctx, namespace); err != nil {
			t.Error(err)
		}
	}
}

func restarts(p *corev1.Pod) (n int32) {
	for i := range p.Status.ContainerStatuses {
		n += p.Status.ContainerStatuses[i].RestartCount
	}
	return n
}
