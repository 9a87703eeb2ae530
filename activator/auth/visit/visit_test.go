package visit

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/keyset"
)

var (
	now   = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	alice = Visit{User: "alice@example.com", Session: types.NamespacedName{Namespace: "desktops", Name: "alice"}, UID: "1", Grant: Grant{SignIn: "signin-a"}}
)

func keysOf(t testing.TB, set keyset.Set) *Keys {
	t.Helper()
	k, err := NewKeys(set.Bytes())
	require.NoError(t, err)
	return k
}

func signed(t testing.TB, k *Keys, v Visit) string {
	t.Helper()
	raw, err := k.Sign(v, now)
	require.NoError(t, err)
	return raw
}

func TestAVisitIsReadAsItWasSigned(t *testing.T) {
	k := keysOf(t, keyset.New())
	for _, grant := range []Grant{{SignIn: "signin-a"}, {Share: "bob", Secret: "abc"}, {Link: now.Add(time.Hour), Key: "k"}} {
		v := alice
		v.Grant = grant
		got, err := k.Read(signed(t, k, v), now.Add(time.Minute))
		require.NoError(t, err)
		assert.True(t, got.Grant.Link.Equal(grant.Link))
		got.Grant.Link, v.Grant.Link, v.Issued = time.Time{}, time.Time{}, now
		assert.True(t, got.Issued.Equal(v.Issued))
		got.Issued = now
		assert.Equal(t, v, got)
	}
}

func TestAVisitRestsOnOneGrant(t *testing.T) {
	k := keysOf(t, keyset.New())
	for name, grant := range map[string]Grant{
		"none": {}, "two": {SignIn: "a", Link: now, Key: "k"}, "a link without its key": {Link: now}, "a key without a link": {SignIn: "a", Key: "k"}, "a share without its secret": {Share: "a"}, "a secret without a share": {SignIn: "a", Secret: "b"},
	} {
		v := alice
		v.Grant = grant
		_, err := k.Sign(v, now)
		assert.Error(t, err, name)
	}
}

func TestACookieIsRenewedFromAThirdOfItsLifeOn(t *testing.T) {
	k := keysOf(t, keyset.New())
	v, err := k.Read(signed(t, k, alice), now)
	require.NoError(t, err)
	assert.False(t, v.Ages(now.Add(ForSignIn/3-time.Second)))
	assert.True(t, v.Ages(now.Add(ForSignIn/3)))
	_, err = k.Read(signed(t, k, alice), now.Add(ForSignIn+leeway))
	assert.ErrorIs(t, err, ErrExpired)
}

func TestWhatTheFormerKeySignedStaysGoodUntilTheNextChange(t *testing.T) {
	set := keyset.New()
	k := keysOf(t, set)
	raw := signed(t, k, alice)
	changed, err := k.Use(set.Bytes())
	require.NoError(t, err)
	assert.False(t, changed)
	set = set.Announce().Turn()
	changed, err = k.Use(set.Bytes())
	require.NoError(t, err)
	assert.True(t, changed)
	_, err = k.Read(raw, now)
	require.NoError(t, err)
	_, err = k.Use([]byte("rubbish"))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "rubbish")
	_, err = k.Read(raw, now)
	require.NoError(t, err, "the keys before stay")
	_, err = k.Use(set.Announce().Turn().Bytes())
	require.NoError(t, err)
	_, err = k.Read(raw, now)
	assert.ErrorIs(t, err, ErrNone)
}

func TestACookieOfTheFormerKeyIsRenewedBeforeThatGoes(t *testing.T) {
	set := keyset.New()
	k := keysOf(t, set)
	link := alice
	link.Grant = Grant{Link: now.Add(90 * 24 * time.Hour), Key: "k"}
	raw := signed(t, k, link)
	_, err := k.Use(set.Announce().Turn().Bytes())
	require.NoError(t, err)
	v, err := k.Read(raw, now)
	require.NoError(t, err)
	require.True(t, v.Ages(now))
	v, err = k.Read(signed(t, k, v), now)
	require.NoError(t, err)
	assert.False(t, v.Ages(now))
	assert.True(t, v.Grant.Link.Equal(link.Grant.Link), "it lives no longer by that")
}

func TestNothingElseIsAVisit(t *testing.T) {
	set := keyset.New()
	k := keysOf(t, set)
	good := signed(t, k, alice)
	part := strings.Split(good, ".")
	forge := func(method jwt.SigningMethod, key any, kid string, change func(jwt.MapClaims)) string {
		c := jwt.MapClaims{}
		_, _, err := jwt.NewParser().ParseUnverified(good, &c)
		require.NoError(t, err)
		if change != nil {
			change(c)
		}
		tok := jwt.NewWithClaims(method, c)
		tok.Header["kid"] = kid
		raw, err := tok.SignedString(key)
		require.NoError(t, err)
		return raw
	}
	id, other := k.current().id, keyset.New()
	as := func(change func(jwt.MapClaims)) string { return forge(jwt.SigningMethodHS256, set[0], id, change) }
	_, err := k.Read(as(nil), now)
	require.NoError(t, err, "the forger is good")
	for name, raw := range map[string]string{
		"empty": "", "another installation's": signed(t, keysOf(t, other), alice), "another key's by our name": forge(jwt.SigningMethodHS256, other[0], id, nil),
		"our key by another name": forge(jwt.SigningMethodHS256, set[0], "x", nil), "another algorithm": forge(jwt.SigningMethodHS512, set[0], id, nil),
		"no algorithm": forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, id, nil), "no signature": part[0] + "." + part[1] + ".",
		"a line's end":      good + "\n",
		"another audience":  as(func(c jwt.MapClaims) { c["aud"] = "vdi.kasm.io/session" }),
		"another issuer":    as(func(c jwt.MapClaims) { c["iss"] = "x" }),
		"no end":            as(func(c jwt.MapClaims) { delete(c, "exp") }),
		"no beginning":      as(func(c jwt.MapClaims) { delete(c, "iat") }),
		"from the future":   as(func(c jwt.MapClaims) { c["iat"] = now.Add(time.Hour).Unix() }),
		"nobody":            as(func(c jwt.MapClaims) { delete(c, "sub") }),
		"no session":        as(func(c jwt.MapClaims) { c["vdi_session"] = "alice" }),
		"no UID":            as(func(c jwt.MapClaims) { delete(c, "vdi_uid") }),
		"no grant":          as(func(c jwt.MapClaims) { delete(c, "vdi_signin") }),
		"two grants":        as(func(c jwt.MapClaims) { c["vdi_link"] = now.Unix() }),
		"expired elsewhere": as(func(c jwt.MapClaims) { c["exp"], c["aud"] = 1, "x" }),
	} {
		_, err := k.Read(raw, now)
		assert.ErrorIs(t, err, ErrNone, name)
	}
}

func FuzzRead(f *testing.F) {
	k := keysOf(f, keyset.New())
	f.Add(signed(f, k, alice))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := k.Read(raw, now)
		if err == nil && (v.User != alice.User || v.UID != alice.UID || v.Session != alice.Session || v.Grant != alice.Grant) {
			t.Errorf("%q opens %+v", raw, v)
		}
	})
}

func TestACookieLivesAsItsGrantAllows(t *testing.T) {
	k := keysOf(t, keyset.New())
	for name, c := range map[string]struct {
		grant Grant
		lives time.Duration
		ages  bool
	}{
		"a sign-in gives another unasked":              {Grant{SignIn: "signin-a"}, ForSignIn, true},
		"a share's link may be used up":                {Grant{Share: "guest", Secret: "0123456789ab"}, ForShare, true},
		"a link's, which no renewal makes live longer": {Grant{Link: now.Add(8 * time.Hour), Key: "k"}, 8 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			of := alice
			of.Grant = c.grant
			raw := signed(t, k, of)
			v, err := k.Read(raw, now.Add(c.lives-time.Second))
			require.NoError(t, err)
			assert.Equal(t, c.ages, v.Ages(now.Add(c.lives/2)))
			_, err = k.Read(raw, now.Add(c.lives+leeway))
			assert.ErrorIs(t, err, ErrExpired)
		})
	}
}
