//go:build integration

package integration

import (
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

	kubectl, ended := plugin(t), make(chan struct{})
	var out string
	var err error
	go func() {
		defer close(ended)
		out, err = kubectl("kubectl vdi drain drained --within 10s")
	}()
	eventually.NoError(t, "the deployment scaled down", hasScale(t, deployment, 0))
	require.NoError(t, client.IgnoreNotFound(api.Delete(t.Context(), pod)))
	<-ended
	require.NoError(t, err, "%s", out)
	assert.Contains(t, out, "No desktop runs on drained")
	now := awaitPhase(t, s, v1alpha1.PhaseAsleep)
	assert.Equal(t, v1alpha1.ReasonMaxDuration, now.Status.SleepReason)
	assert.Equal(t, 2*time.Hour, now.Spec.Timeout.OrZero())
}
