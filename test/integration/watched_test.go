//go:build integration

package integration

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// What Kubernetes' namespace controller does, which does not run here, the test does: it takes
// the content of a deleted namespace away, the operator's rights first.
func TestANamespaceThatIsDeletedKeepsNoSession(t *testing.T) {
	in := install(t, cluster, api, "leaving", "staying")
	in.run(false)
	stays := given(t, "staying", "ada")
	awake, asleep := given(t, "leaving", "ada"), newSession("leaving", "grace", "leaving")
	asleep.Spec.User = "grace@example.com"
	require.NoError(t, api.Create(t.Context(), asleep))
	visit(t, awake)
	eventually.NoError(t, "a desktop wakes", hasScale(t, deploymentOf(t, api, awake), 1))
	startPod(t, awake)
	awaitPhase(t, awake, v1alpha1.PhaseRunning)
	awaitPhase(t, asleep, v1alpha1.PhaseAsleep)

	require.NoError(t, api.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "leaving"}}))
	for _, s := range []*v1alpha1.VDISession{awake, asleep} {
		eventually.NoError(t, "its sessions are let go before they are deleted", func() error { return keptBy(t, s) })
	}
	always(t, "and are not held again", func() error { return keptBy(t, awake) })
	meta := metav1.ObjectMeta{Namespace: "leaving", Name: userOf(in.namespaces)}
	for _, o := range []client.Object{&rbacv1.RoleBinding{ObjectMeta: meta}, &rbacv1.Role{ObjectMeta: meta}, awake, asleep} {
		require.NoError(t, api.Delete(t.Context(), o))
	}
	for _, s := range []*v1alpha1.VDISession{awake, asleep} {
		assert.True(t, apierrors.IsNotFound(api.Get(t.Context(), client.ObjectKeyFromObject(s), s)), s.Name)
	}
	eventually.NoError(t, "what is not served is said", in.condition(v1alpha1.ConditionNamespacesServed, "0"))

	t.Run("nor one that is served", func(t *testing.T) {
		in.run(false)
		require.NotEmpty(t, get(t, stays).Finalizers)
		visit(t, stays)
		eventually.NoError(t, "its desktop wakes", hasScale(t, deploymentOf(t, api, stays), 1))
	})
}

func keptBy(t *testing.T, s *v1alpha1.VDISession) error {
	now := get(t, s)
	if len(now.Finalizers) > 0 {
		return fmt.Errorf("session %s is kept by %v", s.Name, now.Finalizers)
	}
	return nil
}

func TestANamespaceWithoutRightsIsLeftOutUntilItHasThem(t *testing.T) {
	in := install(t, cluster, api, "returning", "remaining")
	binding := bindingOf(userOf(in.namespaces), "returning")
	require.NoError(t, api.Delete(t.Context(), binding))
	in.run(false)
	eventually.NoError(t, "it is said", in.condition(v1alpha1.ConditionNamespacesServed, "0"))
	eventually.NoError(t, "it is not blamed on definitions", in.condition(v1alpha1.ConditionDefinitionsPresent, "1"))
	out, other := given(t, "returning", "ada"), given(t, "remaining", "ada")
	awaitPhase(t, other, v1alpha1.PhaseAsleep)
	assert.Empty(t, get(t, out).Status.Phase)

	require.NoError(t, api.Create(t.Context(), bindingOf(binding.Name, "returning")))
	in.awaitEnd()
	in.run(false)
	awaitPhase(t, out, v1alpha1.PhaseAsleep)
	eventually.NoError(t, "all is well", in.condition(v1alpha1.ConditionNamespacesServed, "1"))
}

// No namespace at all is every namespace to a cache: that must not be what is left.
func TestAnOperatorWithoutRightsAnywhereWaitsForThem(t *testing.T) {
	in := install(t, cluster, api, "nowhere")
	binding := bindingOf(userOf(in.namespaces), "nowhere")
	require.NoError(t, api.Delete(t.Context(), binding))
	in.begin(false)
	eventually.NoError(t, "it says why", in.condition(v1alpha1.ConditionNamespacesServed, "0"))
	eventually.NoError(t, "not for lack of a definition", in.condition(v1alpha1.ConditionDefinitionsPresent, "1"))
	require.Error(t, in.ready())

	require.NoError(t, api.Create(t.Context(), bindingOf(binding.Name, "nowhere")))
	in.awaitEnd()
	in.run(false)
}
