package keys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/token"
)

func keeper(c client.Client) *Keeper {
	cfg := config.Default()
	return &Keeper{Client: c, Installation: cfg.Installation, Keys: cfg.Keys, Log: logr.Discard(), Now: time.Now}
}

func secretOf(t *testing.T, c client.Client, name string) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: "vdi-system", Name: name}, s))
	return s
}

// signing is a Secret with a new key.
func signing(t *testing.T) *corev1.Secret {
	t.Helper()
	s, err := keeper(nil).newSigningSecret()
	require.NoError(t, err)
	return s
}

// opens says whether a Secret's certificate is that of what signs.
func opens(t *testing.T, by *token.Signer, secret *corev1.Secret) bool {
	t.Helper()
	v, err := token.NewVerifier(secret.Data[corev1.TLSCertKey])
	require.NoError(t, err)
	raw, err := by.Sign(token.AudienceSession, token.Subject{User: "ada", Session: types.NamespacedName{Namespace: "a", Name: "b"}, UID: "1"},
		time.Now(), time.Hour)
	require.NoError(t, err)
	_, _, err = v.Verify(token.AudienceSession, raw, time.Now())
	return err == nil
}

func none(error) {}

func TestKeysAreMadeOnceWhateverRendersTheChart(t *testing.T) {
	c := fake.NewFakeClient()
	first, err := keeper(c).Await(t.Context(), none)
	require.NoError(t, err)
	key, shared := secretOf(t, c, "vdi-signing-key"), secretOf(t, c, "vdi-turn")
	assert.True(t, opens(t, first, key))
	assert.Equal(t, corev1.SecretTypeTLS, key.Type)
	assert.Equal(t, "true", key.Labels[v1alpha1.LabelSigningKey], "backups find it")
	assert.Equal(t, "turn", shared.Labels["app.kubernetes.io/component"], "backups find it")
	assert.GreaterOrEqual(t, len(shared.Data[TURNKey]), 48)
	visits := secretOf(t, c, "vdi-visits")
	set, err := keyset.Parse(visits.Data[KeysetKey])
	require.NoError(t, err)
	assert.Len(t, set, 1)
	for _, s := range []*corev1.Secret{key, shared, visits} {
		assert.NotContains(t, s.Labels, "app.kubernetes.io/instance", "Argo CD would delete it")
	}

	second, err := keeper(c).Await(t.Context(), none)
	require.NoError(t, err)
	assert.True(t, opens(t, second, key), "another replica's key")
	assert.Equal(t, key.Data, secretOf(t, c, "vdi-signing-key").Data)
	assert.Equal(t, shared.Data, secretOf(t, c, "vdi-turn").Data)
	assert.Equal(t, visits.Data, secretOf(t, c, "vdi-visits").Data)
	err = c.Get(t.Context(), client.ObjectKey{Namespace: "vdi-system", Name: "vdi-portal"}, &corev1.Secret{})
	assert.True(t, apierrors.IsNotFound(err), "there is no portal")
}

func TestReplicasThatMakeAKeyAtOnceAgree(t *testing.T) {
	c := fake.NewFakeClient()
	const replicas = 8
	signers := make([]*token.Signer, replicas)
	var all sync.WaitGroup
	for i := range replicas {
		all.Go(func() {
			signer, err := keeper(c).Await(t.Context(), none)
			assert.NoError(t, err)
			signers[i] = signer
		})
	}
	all.Wait()
	for _, signer := range signers {
		assert.True(t, opens(t, signer, secretOf(t, c, "vdi-signing-key")))
	}
}

func TestAKeyThatIsThereIsNeverWritten(t *testing.T) {
	there := signing(t)
	there.Labels = nil
	shared := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "vdi-turn"}}
	visits := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "vdi-visits"}}
	c := interceptor.NewClient(fake.NewFakeClient(there, shared, visits), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return errors.New("created")
		},
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
			return errors.New("updated")
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("patched")
		},
		Get: func(ctx context.Context, under client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, whole := o.(*corev1.Secret); whole && key.Name != "vdi-signing-key" {
				return fmt.Errorf("the secret %s was read", key.Name)
			}
			return under.Get(ctx, key, o, opts...)
		},
	})
	signer, err := keeper(c).Await(t.Context(), none)
	require.NoError(t, err)
	assert.True(t, opens(t, signer, there))
}

func TestWhatIsInTheWayOfAKeySaysWhatToDo(t *testing.T) {
	mixed := signing(t)
	mixed.Data[corev1.TLSCertKey] = signing(t).Data[corev1.TLSCertKey]
	empty := signing(t)
	delete(empty.Data, corev1.TLSPrivateKeyKey)
	for name, tc := range map[string]struct {
		there  []client.Object
		fail   error
		reason string
		says   []string
	}{
		"a Secret of somebody's is not there": {nil, nil, v1alpha1.ReasonMissing,
			[]string{"vdi-system/vdi-signing-key", "auth.signingKey.existingSecret", "create it"}},
		"the key of another certificate": {[]client.Object{mixed}, nil, v1alpha1.ReasonRefused,
			[]string{"vdi-system/vdi-signing-key", "tls.crt is not a certificate of the key tls.key", "Correct it"}},
		"no key in it": {[]client.Object{empty}, nil, v1alpha1.ReasonRefused, []string{"tls.key", "not a PEM-encoded"}},
		"no rights": {nil, apierrors.NewForbidden(corev1.Resource("secrets"), "vdi-signing-key", nil), v1alpha1.ReasonForbidden,
			[]string{"may not read or create", "rbac.create=true"}},
		"an API server that is ill": {nil, errors.New("ill"), v1alpha1.ReasonUnreadable, []string{"vdi-system/vdi-signing-key", "ill"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := keeper(interceptor.NewClient(fake.NewClientBuilder().WithObjects(tc.there...).Build(), interceptor.Funcs{
				Get: func(ctx context.Context, under client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if tc.fail != nil {
						return tc.fail
					}
					return under.Get(ctx, key, o, opts...)
				}}))
			k.Keys.Signing.Make, k.Keys.TURN.Make = false, false
			ctx, cancel := context.WithCancel(t.Context())
			var met error
			_, err := k.Await(ctx, func(err error) {
				met = err
				cancel()
			})
			require.ErrorIs(t, err, context.Canceled)
			for _, say := range tc.says {
				assert.ErrorContains(t, met, say)
			}
			_, reason, message := verdict(met)
			assert.Equal(t, tc.reason, reason)
			assert.Contains(t, message, met.Error())
		})
	}
}

func TestAKeyIsUsedAsItIsInItsSecret(t *testing.T) {
	there, another := signing(t), signing(t)
	c := fake.NewFakeClient(there)
	k := keeper(c)
	signer, err := k.Await(t.Context(), none)
	require.NoError(t, err)
	changed, err := k.look(t.Context())
	require.NoError(t, err)
	assert.False(t, changed, "nothing has changed")

	broken := secretOf(t, c, "vdi-signing-key")
	broken.Data[corev1.TLSPrivateKeyKey] = []byte("none")
	require.NoError(t, c.Update(t.Context(), broken))
	changed, err = k.look(t.Context())
	assert.Error(t, err)
	assert.False(t, changed)
	assert.True(t, opens(t, signer, there), "the one before stays")

	broken.Data = another.Data
	require.NoError(t, c.Update(t.Context(), broken))
	changed, err = k.look(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.True(t, opens(t, signer, another))

	require.NoError(t, c.Delete(t.Context(), broken))
	changed, err = k.look(t.Context())
	require.NoError(t, err)
	assert.True(t, changed, "one that is deleted is made anew")
	assert.False(t, opens(t, signer, another))
	assert.True(t, opens(t, signer, secretOf(t, c, "vdi-signing-key")))
}
