//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// TestAnInstallationChangesOverWhileADesktopIsInUse changes from what the installation
// runs on to the other. The way back is the same code, and an integration test's.
func TestAnInstallationChangesOverWhileADesktopIsInUse(t *testing.T) {
	ctx := story(t)
	key := session(ctx, t, "changing", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	const content = "from before"
	if err := visitor.WriteFile(ctx, "note.txt", content); err != nil {
		t.Fatal(err)
	}
	stream, err := visitor.View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.WaitFrames(ctx, wantFrames); err != nil {
		t.Fatal(err)
	}
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	if err != nil {
		t.Fatal(err)
	}
	before := only(t, s)
	if err := upgrade(ctx, "--set", fmt.Sprintf("knative.enabled=%t", !in.Knative)); err != nil {
		t.Fatal(err)
	}
	s, err = in.Session(ctx, key, "told that it changes when it sleeps", func(s *v1alpha1.VDISession) bool {
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionUpToDate)
		return c != nil && c.Reason == v1alpha1.ReasonWaitingForSleep && strings.Contains(c.Message, "otherwise now")
	})
	if err != nil {
		t.Fatal(err)
	}
	frames := stream.Frames()
	if err := stream.WaitFrames(ctx, frames+wantFrames); err != nil {
		t.Errorf("the picture stands still: %v", err)
	}
	if after := only(t, s); after.UID != before.UID || restarts(&after) != restarts(&before) {
		t.Errorf("the live desktop was restarted: %s, before %s", after.Name, before.Name)
	}
	stream.Close()

	s, err = in.Session(ctx, key, "changed over", func(s *v1alpha1.VDISession) bool {
		return s.Status.Phase == v1alpha1.PhaseAsleep && meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionUpToDate)
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := visitor.ReadFile(ctx, "note.txt")
	if err != nil || got != content {
		t.Errorf("after the change the file holds %q (%v), want %q", got, err, content)
	}
	pod := only(t, s)
	if _, onKnative := pod.Labels["serving.knative.dev/revision"]; onKnative == in.Knative {
		t.Errorf("its pod is Knative's: %t, want %t", onKnative, !in.Knative)
	}
}

// only is the one pod of the session.
func only(t *testing.T, s *v1alpha1.VDISession) corev1.Pod {
	t.Helper()
	pods, err := in.Pods(t.Context(), s)
	if err != nil || len(pods) != 1 {
		t.Fatalf("%s has %d pods (%v), want 1", s.Name, len(pods), err)
	}
	return pods[0]
}
