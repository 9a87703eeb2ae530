package desktopnamespace

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var request = ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "team", Name: Name}}

// reconciler has all values on, in a cluster with a session and some objects.
func reconciler(t *testing.T, objects ...client.Object) *Reconciler {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	s := &v1alpha1.VDISession{}
	s.Namespace, s.Name = "team", "ada"
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, s)...).Build()
	return &Reconciler{Client: c, NetworkPolicy: &networkingv1.NetworkPolicySpec{}, ProtectFromEviction: true}
}

func reconcileOnce(t *testing.T, r *Reconciler) error {
	t.Helper()
	_, err := r.Reconcile(t.Context(), request)
	return err
}

func expectThere(t *testing.T, r *Reconciler, o client.Object, there bool) {
	t.Helper()
	err := r.Client.Get(t.Context(), request.NamespacedName, o)
	require.NoError(t, client.IgnoreNotFound(err))
	assert.Equal(t, there, !apierrors.IsNotFound(err), "%T is there", o)
}

func TestABudgetLetsOnlyDesktopsGoThatAreNotReady(t *testing.T) {
	r, b := reconciler(t), &policyv1.PodDisruptionBudget{}
	require.NoError(t, reconcileOnce(t, r))
	expectThere(t, r, b, true)
	require.NotNil(t, b.Spec.MaxUnavailable)
	assert.Zero(t, b.Spec.MaxUnavailable.IntValue())
	require.NotNil(t, b.Spec.UnhealthyPodEvictionPolicy)
	assert.Equal(t, policyv1.AlwaysAllow, *b.Spec.UnhealthyPodEvictionPolicy)
}

func TestEachValueSwitchedOffTakesAwayWhatItMade(t *testing.T) {
	r := reconciler(t)
	require.NoError(t, reconcileOnce(t, r))
	r.ProtectFromEviction = false
	require.NoError(t, reconcileOnce(t, r))
	expectThere(t, r, &policyv1.PodDisruptionBudget{}, false)
	expectThere(t, r, &networkingv1.NetworkPolicy{}, true)
	r.ProtectFromEviction, r.NetworkPolicy = true, nil
	require.NoError(t, reconcileOnce(t, r))
	expectThere(t, r, &policyv1.PodDisruptionBudget{}, true)
	expectThere(t, r, &networkingv1.NetworkPolicy{}, false)
}

func TestABudgetOfSomebodyElseIsLeftAloneAndSaidAndKeepsNoPolicyBack(t *testing.T) {
	theirs := &policyv1.PodDisruptionBudget{ObjectMeta: named("team")}
	r := reconciler(t, theirs)
	require.EqualError(t, reconcileOnce(t, r), `a PodDisruptionBudget "vdi-desktops" exists in namespace "team" and is not this product's, `+
		"so it alone says which desktops there may be evicted; delete it, or set desktops.protectFromEviction to false and keep your own")
	expectThere(t, r, &networkingv1.NetworkPolicy{}, true)
	r.ProtectFromEviction = false
	require.NoError(t, reconcileOnce(t, r), "the remedy was taken")
	expectThere(t, r, theirs, true)
	assert.Nil(t, theirs.Spec.MaxUnavailable)
}

// behind is a cache that does not know yet what the API server has.
func behind(r *Reconciler) {
	all := r.Client.(client.WithWatch)
	r.API = all
	r.Client = interceptor.NewClient(all, interceptor.Funcs{Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
		return apierrors.NewNotFound(corev1.Resource(fmt.Sprintf("%T", o)), key.Name)
	}})
}

func TestWhatAnotherPassMadeAtTheSameMomentIsNoError(t *testing.T) {
	r := reconciler(t)
	require.NoError(t, reconcileOnce(t, r))
	behind(r)
	require.NoError(t, reconcileOnce(t, r))
}

func TestWhatSomebodyElseMadeIsSaidThoughTheCacheDoesNotKnowIt(t *testing.T) {
	r := reconciler(t, &policyv1.PodDisruptionBudget{ObjectMeta: named("team")})
	behind(r)
	require.ErrorContains(t, reconcileOnce(t, r), `a PodDisruptionBudget "vdi-desktops" exists in namespace "team" and is not this product's`)
}

func TestWhatSomebodyWritesAtTheSameMomentIsLookedAtAgain(t *testing.T) {
	r := reconciler(t)
	r.Client = interceptor.NewClient(r.Client.(client.WithWatch), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return apierrors.NewConflict(corev1.Resource("x"), Name, errors.New("changed"))
		}})
	result, err := r.Reconcile(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, conflictRetry, result.RequeueAfter)
}

type ending struct{}

func (ending) Ending(string) bool { return true }

func TestNothingIsMadeWhereTheNamespaceEnds(t *testing.T) {
	r := reconciler(t)
	r.Namespaces = ending{}
	require.NoError(t, reconcileOnce(t, r))
	expectThere(t, r, &policyv1.PodDisruptionBudget{}, false)
}
