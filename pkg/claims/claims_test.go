package claims

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// said is what a condition says.
type said struct {
	status          metav1.ConditionStatus
	reason, message string
}

func (s *said) Set(kind string, status metav1.ConditionStatus, reason, message string) {
	if kind == v1alpha1.ConditionNamespacesOwned {
		*s = said{status, reason, message}
	}
}

// two are installations of one cluster, on one clock.
func two(c client.Client) (a, b *Claims, now *time.Time) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	of := func(name string) *Claims {
		return &Claims{API: c, Client: c, Installation: name, Conditions: &said{}, Now: func() time.Time { return at }}
	}
	return of("vdi-a/vdi"), of("vdi-b/vdi"), &at
}

func (c *Claims) expect(t *testing.T, other string) {
	t.Helper()
	have, err := c.Other(t.Context(), "team")
	require.NoError(t, err)
	assert.Equal(t, other, have, "%s finds", c.Installation)
}

func (c *Claims) says() said { return *c.Conditions.(*said) }

func TestTheFirstInstallationHasANamespaceAndTheSecondIsToldSo(t *testing.T) {
	a, b, _ := two(fake.NewFakeClient())
	a.expect(t, "")
	b.expect(t, "vdi-a/vdi")
	assert.Equal(t, metav1.ConditionTrue, a.says().status)
	assert.Equal(t, metav1.ConditionFalse, b.says().status)
	assert.Equal(t, v1alpha1.ReasonServedElsewhere, b.says().reason)
	assert.Contains(t, b.says().message, "team (by installation vdi-a/vdi)")
	assert.Contains(t, b.says().message, "kubectl delete lease vdi-desktops --namespace NAMESPACE")
}

func TestANamespaceThatIsGivenUpIsTakenWithinAMinute(t *testing.T) {
	a, b, now := two(fake.NewFakeClient())
	a.expect(t, "")
	b.expect(t, "vdi-a/vdi")
	require.NoError(t, b.Release(t.Context(), "team"), "another's is left alone")
	b.expect(t, "vdi-a/vdi")
	require.NoError(t, a.Release(t.Context(), "team"))
	*now = now.Add(LookAgain)
	b.expect(t, "")
	assert.Equal(t, metav1.ConditionTrue, b.says().status)
	a.expect(t, "vdi-b/vdi")
}

// An administrator deletes the Lease of an installation that is gone.
func TestAClaimThatWasDeletedIsTakenByWhoLooksFirst(t *testing.T) {
	c := fake.NewFakeClient()
	a, b, now := two(c)
	a.expect(t, "")
	require.NoError(t, c.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: Name}}))
	*now = now.Add(LookAgain)
	b.expect(t, "")
	a.expect(t, "vdi-b/vdi")
}

// A session is made at the moment in which the last one's claim goes.
func TestAClaimThatIsReleasedIsNotBelievedAnyMore(t *testing.T) {
	c := fake.NewFakeClient()
	a, b, _ := two(c)
	a.expect(t, "")
	a.Client = interceptor.NewClient(c, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			a.expect(t, "")
			return c.Delete(ctx, o, opts...)
		}})
	require.NoError(t, a.Release(t.Context(), "team"))
	b.expect(t, "")
	a.expect(t, "vdi-b/vdi")
}

func TestANamespaceIsAskedAboutOnceAMinute(t *testing.T) {
	asked := 0
	a, _, now := two(interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			asked++
			return c.Get(ctx, key, o, opts...)
		}}))
	for range 10 {
		a.expect(t, "")
	}
	assert.Equal(t, 1, asked)
	*now = now.Add(LookAgain)
	a.expect(t, "")
	assert.Equal(t, 2, asked)
}

func TestWithoutTheRightToLeasesANamespaceIsServedAndThatIsSaid(t *testing.T) {
	a, _, _ := two(interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, Name, errors.New("no"))
		}}))
	a.expect(t, "")
	assert.Equal(t, metav1.ConditionUnknown, a.says().status)
	assert.Contains(t, a.says().message, "leases.coordination.k8s.io")
}
