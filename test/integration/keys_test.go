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
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/token"
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

	// An administrator has keys replaced: what the former ones have signed stays good.
	signer, err := token.NewSigner(made.Data[corev1.TLSPrivateKeyKey])
	require.NoError(t, err)
	link, err := signer.Sign(token.AudienceSession, token.Subject{User: "ada", Session: client.ObjectKey{Namespace: "a", Name: "b"}, UID: "1"}, time.Now(), time.Hour)
	require.NoError(t, err)
	opens := func(s *corev1.Secret) error {
		v, err := token.NewVerifier(s.Data[corev1.TLSCertKey], s.Data[keys.NextCertificateKey], s.Data[keys.FormerCertificatesKey])
		if err == nil {
			_, _, err = v.Verify(token.AudienceSession, link, time.Now())
		}
		return err
	}
	annotate := func(name, annotation, value string) {
		t.Helper()
		s := key(name)
		patch := client.MergeFrom(s.DeepCopy())
		s.Annotations[annotation] = value
		require.NoError(t, api.Patch(t.Context(), s, patch))
	}
	for _, name := range []string{"vdi-signing-key", "vdi-visits"} {
		annotate(name, v1alpha1.AnnotationRotateKey, "now")
		eventually.True(t, "the next key is there", func() bool { return key(name).Annotations[v1alpha1.AnnotationNextKeySince] != "" })
		require.NoError(t, opens(key("vdi-signing-key")))
		announced := key(name)
		annotate(name, v1alpha1.AnnotationNextKeySince, time.Now().Add(-time.Hour).Format(time.RFC3339))
		eventually.True(t, "it is in use", func() bool { return key(name).Annotations[v1alpha1.AnnotationNextKeySince] == "" })
		assert.NotEqual(t, announced.Data, key(name).Data)
		assert.NotContains(t, key(name).Annotations, v1alpha1.AnnotationRotateKey)
	}
	assert.NotEqual(t, made.Data[corev1.TLSCertKey], key("vdi-signing-key").Data[corev1.TLSCertKey])
	require.NoError(t, opens(key("vdi-signing-key")))
	assert.Equal(t, shared.ResourceVersion, key("vdi-turn").ResourceVersion)
	eventually.NoError(t, "all is well", i.condition(v1alpha1.ConditionKeysCurrent, "1"))

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
