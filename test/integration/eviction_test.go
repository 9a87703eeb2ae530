//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/desktopnamespace"
	"github.com/org/vdi-operator/pkg/eventually"
)

func budgetOf(namespace string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: desktopnamespace.Name, Namespace: namespace}}
}

func awaitBudget(t *testing.T, namespace string) *policyv1.PodDisruptionBudget {
	t.Helper()
	b := budgetOf(namespace)
	eventually.NoError(t, "the disruption budget of "+namespace, func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(b), b) })
	return b
}

// oneReady writes a budget's status as Kubernetes' controller does for one ready pod.
func oneReady(t *testing.T, b *policyv1.PodDisruptionBudget) {
	t.Helper()
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1}
	require.NoError(t, api.Status().Update(t.Context(), b))
}

func evict(t *testing.T, pod *corev1.Pod) error {
	t.Helper()
	return api.SubResource("eviction").Create(t.Context(), pod, &policyv1.Eviction{})
}

func TestADesktopInUseIsNotEvictedAndOneThatDoesNotGetReadyIs(t *testing.T) {
	namespace := space(t)
	s := given(t, namespace, "ada")
	woken(t, s)
	pod := startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	oneReady(t, awaitBudget(t, namespace))

	err := evict(t, pod)
	require.True(t, apierrors.IsTooManyRequests(err), "%v", err)
	var refused *apierrors.StatusError
	require.ErrorAs(t, err, &refused)
	require.NotEmpty(t, refused.ErrStatus.Details.Causes)
	assert.Contains(t, refused.ErrStatus.Details.Causes[0].Message, "The disruption budget vdi-desktops")

	const notReady = `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`
	require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(notReady))))
	require.NoError(t, evict(t, pod))
}

func TestANamespaceHasItsDisruptionBudgetAsLongAsSessions(t *testing.T) {
	namespace := space(t)
	s := given(t, namespace, "ada")
	b := awaitBudget(t, namespace)
	// Somebody loosens it.
	merge(t, b, `{"spec":{"maxUnavailable":1}}`)
	eventually.NoError(t, "it to allow none again", func() error {
		if awaitBudget(t, namespace).Spec.MaxUnavailable.IntValue() != 0 {
			return assert.AnError
		}
		return nil
	})
	require.NoError(t, api.Delete(t.Context(), s))
	eventually.NoError(t, "the disruption budget to be gone", func() error { return nowhere(t, b) })
}
