//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// The program itself, with rights in its own namespace only.
func TestAnOperatorMakesItsKeysAndWaitsForThoseOfOthers(t *testing.T) {
	i := install(t, cluster, api, "keyed")
	key := func(name string) *corev1.Secret {
		t.Helper()
		s := &corev1.Secret{}
		require.NoError(t, api.Get(t.Context(), client.ObjectKey{Namespace: "keyed", Name: name}, s))
		return s
	}
	i.run(false)
	made, shared := key("vdi-signing-key"), key("vdi-turn")
	eventually.NoError(t, "all is well", i.condition(v1alpha1.ConditionKeysCurrent, "1"))

	// Another process uses what is there.
	i.run(false)
	assert.Equal(t, made.ResourceVersion, key("vdi-signing-key").ResourceVersion)
	assert.Equal(t, shared.ResourceVersion, key("vdi-turn").ResourceVersion)

	broken := key("vdi-signing-key")
	broken.Data[corev1.TLSPrivateKeyKey] = []byte("none")
	require.NoError(t, api.Update(t.Context(), broken))
	eventually.NoError(t, "it is said", i.condition(v1alpha1.ConditionKeysCurrent, "0"))
	require.NoError(t, i.ready(), "the key before stays in use")
	require.NoError(t, api.Delete(t.Context(), broken))
	eventually.NoError(t, "another one", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(broken), &corev1.Secret{})
	})
	eventually.NoError(t, "all is well again", i.condition(v1alpha1.ConditionKeysCurrent, "1"))
	assert.NotEqual(t, made.Data, key("vdi-signing-key").Data)

	i.more = "keys: {signing: {secret: theirs, make: false}}\n"
	i.begin(false)
	eventually.NoError(t, "the reason", i.unready("there is no Secret keyed/theirs", "auth.signingKey.existingSecret"))
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "keyed", Name: "theirs"}, Type: made.Type, Data: made.Data}
	require.NoError(t, api.Create(t.Context(), theirs))
	eventually.NoError(t, "the operator to be ready", i.ready)
}
