//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

func TestASecondSessionWaitsForAGPUUntilTheFirstSleeps(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	gpus.Lock()
	defer gpus.Unlock()
	all := allocatableGPUs(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(all) })
	first := session(ctx, t, "gpu-first", tpl, nil)
	second := session(ctx, t, "gpu-second", tpl, nil)

	one := invited(ctx, t, first)
	holder, err := one.View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := holder.WaitFrames(ctx, 1); err != nil {
		t.Fatal(err)
	}

	two := invited(ctx, t, second)
	waiter, err := two.View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	s, err := in.Session(ctx, second, "waiting for a GPU", func(s *v1alpha1.VDISession) bool {
		return s.Status.Phase == v1alpha1.PhaseCreating && strings.Contains(s.Status.Message, "GPU")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the second session says: %s", s.Status.Message)
	err = harness.Eventually(ctx, "the waiting visitor to read why", func() error {
		status, err := two.Status(ctx)
		if err == nil && !strings.Contains(status.Message, "GPU") {
			err = fmt.Errorf("the page says %q", status.Message)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}

	holder.Close()
	if err := waiter.WaitFrames(ctx, 1); err != nil {
		t.Fatalf("the second desktop did not start when the first slept: %v", err)
	}
}

func allocatableGPUs(t *testing.T) int32 {
	t.Helper()
	var nodes corev1.NodeList
	if err := in.Client.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	var most int64
	for i := range nodes.Items {
		q := nodes.Items[i].Status.Allocatable["nvidia.com/gpu"]
		most = max(most, q.Value())
	}
	if len(nodes.Items) != 1 || most == 0 {
		t.Fatalf("this story needs one node with GPUs; have %d nodes and %d GPUs", len(nodes.Items), most)
	}
	return int32(most)
}

func TestDeletingASessionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	key := session(ctx, t, "gone", tpl, nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	if err != nil {
		t.Fatal(err)
	}
	if left, err := in.Leftovers(ctx, s); err != nil || len(left) == 0 {
		t.Fatalf("a running session has no objects (%v): this test could not fail", err)
	}
	if err := in.Client.Delete(ctx, s); err != nil {
		t.Fatal(err)
	}
	err = harness.Eventually(ctx, "the session and all that it brought to be gone", func() error {
		return in.Nothing(ctx, s)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAHomeOutlivesItsSessionAndComesBackWithTheNext(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	retain := func(s *v1alpha1.VDISessionSpec) {
		s.User = "heir@example.com"
		s.Persistence = nil // the template's: Retain
	}
	first := session(ctx, t, "before", tpl, retain)
	if err := invited(ctx, t, first).WriteFile(ctx, "will", "to my next session"); err != nil {
		t.Fatal(err)
	}
	// The home is in use: a second session of the same person must not write to it.
	clash := create(ctx, t, "clash", tpl, retain)
	if _, err := in.Session(ctx, clash, "refused the home", func(s *v1alpha1.VDISession) bool {
		return strings.Contains(s.Status.Message, "before")
	}); err != nil {
		t.Fatal(err)
	}
	s := &v1alpha1.VDISession{}
	for _, key := range []client.ObjectKey{clash, first} {
		if err := in.Client.Get(ctx, key, s); err != nil {
			t.Fatal(err)
		}
		if err := in.Client.Delete(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	next := session(ctx, t, "after", tpl, func(s *v1alpha1.VDISessionSpec) {
		retain(s)
		s.Persistence = &v1alpha1.SessionPersistence{ReclaimPolicy: v1alpha1.ReclaimDelete}
	})
	got, err := invited(ctx, t, next).ReadFile(ctx, "will")
	if err != nil || got != "to my next session" {
		t.Errorf("the next session's home holds %q (%v)", got, err)
	}
}
