//go:build e2e

package e2e

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

func TestAHeldConnectionSurvivesARestartOfTheOperator(t *testing.T) {
	ctx := story(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) {
		// Long enough that the connection is held when the operator goes and when it
		// is back.
		s.Env = append(s.Env, corev1.EnvVar{Name: "DESKTOP_START_DELAY", Value: "20s"})
	})
	key := session(ctx, t, "held", tpl, nil)
	visitor := invited(ctx, t, key)
	stream, err := visitor.View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := in.Session(ctx, key, "waking", harness.InPhase(v1alpha1.PhaseCreating)); err != nil {
		t.Fatal(err)
	}
	before := operatorPods(ctx, t)
	if err := in.DeletePods(ctx, "operator"); err != nil {
		t.Fatal(err)
	}
	err = harness.Eventually(ctx, "another operator to be ready", func() error {
		for name, ready := range operatorPods(ctx, t) {
			if _, old := before[name]; !old && ready {
				return nil
			}
		}
		return context.DeadlineExceeded
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.WaitFrames(ctx, wantFrames); err != nil {
		t.Fatal(err)
	}
}

// operatorPods tells of each of the operator's pods whether it is ready.
func operatorPods(ctx context.Context, t *testing.T) map[string]bool {
	t.Helper()
	var pods corev1.PodList
	err := in.Client.List(ctx, &pods, client.InNamespace(in.SystemNamespace), client.MatchingLabels{"app.kubernetes.io/component": "operator"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for i := range pods.Items {
		p := &pods.Items[i]
		out[p.Name] = harness.Ready(p)
	}
	return out
}
