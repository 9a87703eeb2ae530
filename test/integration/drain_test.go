//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestTheDrainOfANodePutsItsDesktopsToSleepAndGivesTheirTimeoutsBack(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "drained"}, Spec: corev1.NodeSpec{Unschedulable: true}}
	require.NoError(t, api.Create(t.Context(), node))
	namespace := space(t)
	s := given(t, namespace, "ada")
	require.NoError(t, patchSession(t, s, `{"spec":{"timeout":"2h"}}`))
	deployment := woken(t, s)
	pod := startPodOn(t, s, node.Name)
	awaitPhase(t, s, v1alpha1.PhaseRunning)

	folder := t.TempDir()
	plugin, kubeconfig := filepath.Join(folder, "kubectl-vdi"), filepath.Join(folder, "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, cluster.KubeConfig, 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", plugin, "./cmd/kubectl-vdi")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	drain := exec.CommandContext(t.Context(), plugin, "drain", node.Name, "--within", "10s", "--kubeconfig", kubeconfig)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, err = drain.CombinedOutput()
	}()
	eventually.NoError(t, "the deployment scaled down", hasScale(t, deployment, 0))
	require.NoError(t, client.IgnoreNotFound(api.Delete(t.Context(), pod)))
	<-ended
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "No desktop runs on drained")
	now := awaitPhase(t, s, v1alpha1.PhaseAsleep)
	assert.Equal(t, v1alpha1.ReasonMaxDuration, now.Status.SleepReason)
	assert.Equal(t, 2*time.Hour, now.Spec.Timeout.OrZero())
}
