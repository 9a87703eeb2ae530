package keys

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

// aging is an installation whose time passes as the test says.
type aging struct {
	*Keeper
	now    time.Time
	writes int
}

func newAging(t *testing.T, there ...client.Object) *aging {
	t.Helper()
	a := &aging{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	a.Keeper = keeper(interceptor.NewClient(fake.NewClientBuilder().WithObjects(there...).Build(), interceptor.Funcs{
		Update: func(ctx context.Context, under client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			a.writes++
			return under.Update(ctx, o, opts...)
		}}))
	a.Now = func() time.Time { return a.now }
	a.Keys.Portal.Make = true
	_, err := a.Await(t.Context(), none)
	require.NoError(t, err)
	return a
}

func (a *aging) pass(t *testing.T, d time.Duration) {
	t.Helper()
	a.now = a.now.Add(d)
	_, err := a.look(t.Context())
	require.NoError(t, err)
}

func (a *aging) secret(t *testing.T, name string) *corev1.Secret { return secretOf(t, a.Client, name) }

// verifier checks as an activator that has a Secret.
func verifier(t *testing.T, s *corev1.Secret) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(s.Data[corev1.TLSCertKey], s.Data[NextCertificateKey], s.Data[FormerCertificatesKey])
	require.NoError(t, err)
	return v
}

var adas = token.Subject{User: "ada", Session: types.NamespacedName{Namespace: "a", Name: "b"}, UID: "1"}

func (a *aging) sign(t *testing.T, ttl time.Duration) string {
	t.Helper()
	raw, err := a.signer.Sign(token.AudienceTURN, adas, a.now, ttl)
	require.NoError(t, err)
	return raw
}

func TestWhatAFormerKeyHasSignedStaysGoodThroughEveryRotation(t *testing.T) {
	a := newAging(t)
	type signed struct {
		raw  string
		ends time.Time
	}
	var all []signed
	behind := a.secret(t, "vdi-signing-key") // as an activator has it that hears late
	for day := 0; day < 800; day += 10 {
		if day%40 == 0 {
			raw := a.sign(t, lifecycle.Longest)
			all = append(all, signed{raw, a.now.Add(lifecycle.Longest)})
		}
		for range 2 {
			// What is signed now is good for who has heard of the change before, too.
			now := a.secret(t, "vdi-signing-key")
			for _, s := range all {
				for who, v := range map[string]*token.Verifier{"at once": verifier(t, now), "late": verifier(t, behind)} {
					_, _, err := v.Verify(token.AudienceTURN, s.raw, a.now)
					require.Equal(t, a.now.Before(s.ends), err == nil, "%s on day %d: %v", who, day, err)
				}
			}
			behind = now
			a.pass(t, announcedFor)
		}
		all = slices.DeleteFunc(all, func(s signed) bool { return !a.now.Before(s.ends) })
		behind = a.secret(t, "vdi-signing-key")
		a.pass(t, 10*24*time.Hour-2*announcedFor)
	}
	last := a.secret(t, "vdi-signing-key")
	former, err := token.ParseCertificates(last.Data[FormerCertificatesKey])
	require.NoError(t, err)
	assert.LessOrEqual(t, len(former), 13, "those of the last year")
	assert.Greater(t, len(former), 8)
	assert.Empty(t, bytes.Count(last.Data[FormerCertificatesKey], []byte("PRIVATE")))
}

func TestAKeyOfASetIsKnownBeforeItIsUsedAndAfter(t *testing.T) {
	for _, name := range []string{"vdi-visits", "vdi-portal"} {
		a := newAging(t)
		set := func() keyset.Set {
			s, err := keyset.Parse(a.secret(t, name).Data[KeysetKey])
			require.NoError(t, err)
			return s
		}
		first := set()
		a.pass(t, a.Keys.RotateEvery.Duration-time.Second)
		assert.Equal(t, first, set())
		a.pass(t, time.Second)
		announced := set()
		assert.Equal(t, first[0], announced[0], "nothing is signed with a key that others do not know yet")
		require.Len(t, announced, 2)
		a.pass(t, announcedFor-time.Second)
		assert.Equal(t, announced, set())
		a.pass(t, time.Second)
		assert.Equal(t, keyset.Set{announced[1], first[0]}, set())
	}
}

func TestAtRestNoKeyIsWritten(t *testing.T) {
	a := newAging(t)
	for range 100 {
		a.pass(t, time.Hour)
	}
	assert.Zero(t, a.writes)
	a.pass(t, a.Keys.RotateEvery.Duration)
	a.pass(t, announcedFor)
	assert.Equal(t, 6, a.writes, "two for each of three keys")

	a = newAging(t)
	a.Keys.RotateEvery.Duration = 0
	a.pass(t, 10*365*24*time.Hour)
	assert.Zero(t, a.writes, "never")
}

func TestAKeyIsReplacedNowWhereSomebodySaysSo(t *testing.T) {
	a := newAging(t)
	a.Keys.RotateEvery.Duration = 0
	before := a.signs
	asked := a.secret(t, "vdi-signing-key")
	asked.Annotations[v1alpha1.AnnotationRotateKey] = "now"
	require.NoError(t, a.Client.Update(t.Context(), asked))
	raw := a.sign(t, time.Hour)
	a.pass(t, 0)
	assert.NotContains(t, a.secret(t, "vdi-signing-key").Annotations, v1alpha1.AnnotationRotateKey)
	assert.Equal(t, before, a.signs, "not yet")
	a.pass(t, announcedFor)
	assert.NotEqual(t, before, a.signs)
	done := a.secret(t, "vdi-signing-key")
	assert.NotContains(t, done.Data, NextKeyKey)
	assert.Equal(t, a.now.Format(time.RFC3339), done.Annotations[v1alpha1.AnnotationKeySince])
	_, _, err := verifier(t, done).Verify(token.AudienceTURN, raw, a.now)
	require.NoError(t, err)
}

func TestTheAgeOfAKeyThatWasThereBeforeCountsFromItsFirstSight(t *testing.T) {
	old := signing(t)
	old.Annotations = nil
	a := newAging(t, old)
	a.pass(t, 0)
	assert.Equal(t, a.now.Format(time.RFC3339), a.secret(t, "vdi-signing-key").Annotations[v1alpha1.AnnotationKeySince])
	a.pass(t, a.Keys.RotateEvery.Duration-time.Second)
	assert.Equal(t, 1, a.writes)
}

func TestAKeyOfSomebodyElsesIsNeverReplaced(t *testing.T) {
	helms := signing(t)
	helms.Labels["app.kubernetes.io/managed-by"] = "Helm"
	theirs := signing(t)
	for name, a := range map[string]*aging{"an earlier release's": newAging(t, helms), "an administrator's": func() *aging {
		a := newAging(t, theirs)
		a.Keys.Signing.Make = false
		return a
	}()} {
		was := a.secret(t, "vdi-signing-key")
		was.Annotations[v1alpha1.AnnotationRotateKey] = "now"
		require.NoError(t, a.Client.Update(t.Context(), was))
		a.pass(t, 2*a.Keys.RotateEvery.Duration)
		assert.Equal(t, was.Data, a.secret(t, "vdi-signing-key").Data, name)
	}
}

func TestReplicasThatReplaceAKeyAtOnceAgree(t *testing.T) {
	a := newAging(t)
	b := &Keeper{Client: a.Client, Installation: a.Installation, Keys: a.Keys, Log: a.Log, Now: a.Now}
	_, err := b.Await(t.Context(), none)
	require.NoError(t, err)
	for _, d := range []time.Duration{a.Keys.RotateEvery.Duration, announcedFor} {
		a.pass(t, d)
		lost, err := b.look(t.Context())
		require.NoError(t, err)
		assert.False(t, lost, "what the former key has signed stays good")
	}
	assert.Equal(t, a.signs, b.signs)
	assert.Equal(t, 6, a.writes, "each step once, whoever takes it")
}

func TestWhatKeepsAKeyFromBeingReplacedIsSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"no right":  {apierrors.NewForbidden(corev1.Resource("secrets"), "x", nil), v1alpha1.ReasonForbidden},
		"an outage": {errors.New("ill"), v1alpha1.ReasonUnreadable},
		"a race":    {apierrors.NewConflict(corev1.Resource("secrets"), "x", nil), v1alpha1.ReasonCurrent},
	} {
		a := newAging(t)
		key := a.signs
		a.Client = interceptor.NewClient(a.Client.(client.WithWatch), interceptor.Funcs{
			Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return tc.err }})
		a.now = a.now.Add(a.Keys.RotateEvery.Duration)
		_, err := a.look(t.Context())
		_, reason, _ := verdict(err)
		assert.Equal(t, tc.want, reason, name)
		assert.Equal(t, key, a.signs, "the key before stays in use")
	}
	a := newAging(t)
	broken := a.secret(t, "vdi-visits")
	broken.Data[KeysetKey] = []byte("none")
	require.NoError(t, a.Client.Update(t.Context(), broken))
	a.now = a.now.Add(a.Keys.RotateEvery.Duration)
	_, err := a.look(t.Context())
	require.ErrorContains(t, err, "vdi-visits")
}

// Of a key that was there before, and with the rights of an earlier release.
func TestAnOperatorThatMayReplaceNoKeyStartsAllTheSame(t *testing.T) {
	k := keeper(interceptor.NewClient(fake.NewClientBuilder().WithObjects(signing(t)).Build(), interceptor.Funcs{
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
			return apierrors.NewForbidden(corev1.Resource("secrets"), "x", nil)
		}}))
	old := secretOf(t, k.Client, "vdi-signing-key")
	require.NoError(t, k.Client.Patch(t.Context(), old, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":null}}`))))
	_, err := k.Await(t.Context(), func(err error) { assert.Fail(t, "it waits", err) })
	require.NoError(t, err)
	_, err = k.look(t.Context())
	_, reason, message := verdict(err)
	assert.Equal(t, v1alpha1.ReasonForbidden, reason)
	assert.Contains(t, message, "auth.keys.rotateEvery=0s")
}

func TestANextKeyThatSomebodyTookAwayIsMadeAgain(t *testing.T) {
	a := newAging(t)
	a.pass(t, a.Keys.RotateEvery.Duration)
	for _, name := range []string{"vdi-signing-key", "vdi-visits"} {
		s := a.secret(t, name)
		delete(s.Data, NextCertificateKey)
		if set, err := keyset.Parse(s.Data[KeysetKey]); err == nil {
			s.Data[KeysetKey] = set[:1].Bytes()
		}
		require.NoError(t, a.Client.Update(t.Context(), s))
	}
	before := a.signs
	a.pass(t, announcedFor)
	assert.Equal(t, before, a.signs, "announced anew")
	a.pass(t, announcedFor)
	assert.NotEqual(t, before, a.signs)
}

func TestAFormerKeyOfAnAdministratorsStaysGoodToo(t *testing.T) {
	before, after := signing(t), signing(t)
	a := newAging(t, before)
	a.Keys.Signing.Make = false
	raw := a.sign(t, time.Hour)
	theirs := a.secret(t, "vdi-signing-key")
	after.Data[FormerCertificatesKey] = theirs.Data[corev1.TLSCertKey]
	theirs.Data = after.Data
	require.NoError(t, a.Client.Update(t.Context(), theirs))
	lost, err := a.look(t.Context())
	require.NoError(t, err)
	assert.False(t, lost)
	_, _, err = verifier(t, theirs).Verify(token.AudienceTURN, raw, a.now)
	require.NoError(t, err)

	theirs.Data[FormerCertificatesKey] = []byte("none")
	require.NoError(t, a.Client.Update(t.Context(), theirs))
	_, err = a.look(t.Context())
	require.ErrorContains(t, err, "former.crt")
}
