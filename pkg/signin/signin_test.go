package signin

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestASignInHoldsUntilTheFirstOfItsEnds(t *testing.T) {
	now := time.Now()
	before, after := metav1.NewTime(now), metav1.NewTime(now.Add(time.Second))
	of := func(expires metav1.Time, valid *metav1.Time) *v1alpha1.VDISignIn {
		return &v1alpha1.VDISignIn{Spec: v1alpha1.VDISignInSpec{ExpiresAt: expires}, Status: v1alpha1.VDISignInStatus{ValidUntil: valid}}
	}
	assert.True(t, Holds(of(after, &after), now))
	for name, s := range map[string]*v1alpha1.VDISignIn{
		"none": nil, "at its end": of(before, &after), "not confirmed any more": of(after, &before), "never confirmed": of(after, nil),
	} {
		assert.False(t, Holds(s, now), name)
	}
	deleted := of(after, &after)
	deleted.DeletionTimestamp = &before
	assert.False(t, Holds(deleted, now), "deleted")
}

func TestNamesSayNothingOfTheSecret(t *testing.T) {
	a, b := Name("one"), Name("two")
	assert.NotEqual(t, a, b)
	assert.Empty(t, validation.IsDNS1123Label(a))
	assert.NotContains(t, a, "one")
	assert.NotEqual(t, Hash("one"), Hash("two"))
	assert.Len(t, Hash("one"), 64)
}

func TestAShareLinkSaysWhichShareAndItsSecret(t *testing.T) {
	secret := NewSecret()
	assert.NotEqual(t, secret, NewSecret())
	u, err := url.Parse(ShareLink("https://ada--team.vdi.example.com/", "review-1", secret))
	require.NoError(t, err)
	share, again, is := ParseShareLink(u.Query().Get(ShareParameter))
	assert.True(t, is)
	assert.Equal(t, "review-1", share)
	assert.Equal(t, secret, again)
	for _, none := range []string{"", "review-1", "review-1.", ".", "." + secret, "review-1." + secret + "x", "review-1." + secret[1:]} {
		_, _, is := ParseShareLink(none)
		assert.False(t, is, none)
	}
}

func FuzzParseShareLink(f *testing.F) {
	f.Add("guest." + NewSecret())
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, raw string) {
		if name, secret, ok := ParseShareLink(raw); ok && (name+"."+secret != raw || len(name) > 63 || len(secret) != 43) {
			t.Errorf("%q is %q and %q", raw, name, secret)
		}
	})
}
