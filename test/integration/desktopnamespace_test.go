//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/desktopnamespace"
	"github.com/org/vdi-operator/pkg/eventually"
)

// desktopNetwork is the policy of this package's installation. A port without a protocol
// is completed as the API server would.
const desktopNetwork = `
desktopNetworkPolicy:
  podSelector: {matchExpressions: [{key: vdi.kasm.io/session, operator: Exists}]}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 8080}]}]
`

func policyOf(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: desktopnamespace.Name, Namespace: namespace}}
}

func awaitPolicy(t *testing.T, namespace string) *networkingv1.NetworkPolicy {
	t.Helper()
	cfg, err := config.Parse([]byte(leastConfiguration + desktopNetwork))
	require.NoError(t, err)
	p := policyOf(namespace)
	eventually.NoError(t, "the network policy of "+namespace, func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(p.Spec, *cfg.DesktopNetworkPolicy) {
			return fmt.Errorf("it says %+v", p.Spec)
		}
		return nil
	})
	return p
}

func TestANamespaceHasItsNetworkPolicyAsLongAsSessions(t *testing.T) {
	namespace := space(t)
	first, second := given(t, namespace, "first"), given(t, namespace, "second")
	p := awaitPolicy(t, namespace)

	// Somebody changes it.
	merge(t, p, `{"spec":{"ingress":[{}]}}`)
	awaitPolicy(t, namespace)
	// Somebody takes it away.
	require.NoError(t, api.Delete(t.Context(), p.DeepCopy()))
	awaitPolicy(t, namespace)

	require.NoError(t, api.Delete(t.Context(), first))
	eventually.NoError(t, "the first session to be gone", func() error { return nowhere(t, first) })
	awaitPolicy(t, namespace)
	require.NoError(t, api.Delete(t.Context(), second))
	eventually.NoError(t, "the network policy to be gone", func() error { return nowhere(t, policyOf(namespace)) })
}

func TestANetworkPolicyOfSomebodyElseIsLeftAlone(t *testing.T) {
	namespace := space(t)
	theirs := policyOf(namespace)
	theirs.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	require.NoError(t, api.Create(t.Context(), theirs))
	given(t, namespace, "desktop")
	always(t, "it stays", func() error {
		p := policyOf(namespace)
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
		if p.ResourceVersion != theirs.ResourceVersion || p.Labels[v1alpha1.LabelDesktopNetwork] != "" {
			return fmt.Errorf("it is %+v now", p)
		}
		return nil
	})
}

func nowhere(t *testing.T, o client.Object) error {
	t.Helper()
	err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	if err == nil {
		return errors.New("it is there")
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
