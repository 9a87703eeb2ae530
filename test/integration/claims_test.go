//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/eventually"
)

func claimOf(namespace string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: claims.Name}}
}

// namespaceOf wants this holder of a namespace; empty is none.
func namespaceOf(t *testing.T, namespace, holder string) func() error {
	return func() error {
		have, err := claims.Holder(t.Context(), api, namespace)
		if err == nil && have != holder {
			err = fmt.Errorf("%s is held by %q, want %q", namespace, have, holder)
		}
		return err
	}
}

func TestTwoInstallationsDoNotFightForANamespace(t *testing.T) {
	first, second := install(t, cluster, api, "claims-a", "shared"), install(t, cluster, api, "claims-b", "shared")
	first.run(false)
	s := given(t, "shared", "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	visit(t, s)
	eventually.NoError(t, "it wakes", hasScale(t, deploymentOf(t, api, s), 1))
	second.run(false)
	eventually.NoError(t, "the second one says that it does not serve the namespace", second.condition(v1alpha1.ConditionNamespacesOwned, "0"))
	eventually.NoError(t, "the first one has it", first.condition(v1alpha1.ConditionNamespacesOwned, "1"))
	before := deploymentOf(t, api, s)
	always(t, "nobody writes over the other", func() error {
		now := &appsv1.Deployment{}
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(before), now); err != nil {
			return err
		}
		if now.Generation != before.Generation {
			return errors.New("the desktop's Deployment was changed")
		}
		return nil
	})

	t.Run("and the second takes it once the claim is gone", func(t *testing.T) {
		first.stop()
		require.NoError(t, api.Delete(t.Context(), claimOf("shared")))
		second.run(false)
		eventually.NoError(t, "it serves", namespaceOf(t, "shared", "claims-b/vdi"))
		eventually.NoError(t, "and says so", second.condition(v1alpha1.ConditionNamespacesOwned, "1"))
	})
	t.Run("and gives it free with the last session", func(t *testing.T) {
		require.NoError(t, api.Delete(t.Context(), s))
		collect(t, deploymentOf(t, api, s))
		eventually.NoError(t, "it is free", namespaceOf(t, "shared", ""))
	})
}
