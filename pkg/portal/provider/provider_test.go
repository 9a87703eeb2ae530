package provider

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/portal/oidctest"
)

// asked is a provider that was asked once, with what changes in the configuration.
func asked(t *testing.T, idp *oidctest.Provider, change ...func(*config.OIDC)) *Provider {
	t.Helper()
	p := unasked(t, idp, change...)
	require.NoError(t, p.discover(t.Context()))
	p.answers()
	return p
}

func unasked(t *testing.T, idp *oidctest.Provider, change ...func(*config.OIDC)) *Provider {
	t.Helper()
	o := config.DefaultOIDC()
	o.Issuer, o.ClientID = idp.URL, oidctest.Client
	for _, c := range change {
		c(&o)
	}
	client, err := NewClient(nil)
	require.NoError(t, err)
	return New(Options{OIDC: o, Redirect: "http://portal.test/callback", Secret: func() (string, error) { return oidctest.Secret, nil }, HTTP: client,
		Answers: func(bool) {}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

// code is what the provider sends a browser back with.
func code(t *testing.T, p *Provider, nonce, verifier string) url.Values {
	t.Helper()
	at, err := p.Start("state", nonce, verifier)
	require.NoError(t, err)
	resp, err := p.HTTP.Get(at) //nolint:noctx // a test's
	require.NoError(t, err)
	_ = resp.Body.Close()
	back, err := resp.Location()
	require.NoError(t, err)
	return back.Query()
}

// signIn goes all the way.
func signIn(t *testing.T, p *Provider) (Identity, error) {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	return p.Exchange(t.Context(), code(t, p, "nonce", verifier).Get("code"), verifier, "nonce")
}

func TestAPersonIsNamedByTheConfiguredClaims(t *testing.T) {
	idp := oidctest.New(t)
	idp.Person["upn"], idp.Person["roles"], idp.Person["sid"] = "ada", "desk-admins", "s1"
	p := asked(t, idp, func(o *config.OIDC) {
		o.Claims = config.Claims{User: "upn", Groups: "roles"}
		o.AllowedGroups, o.AdminGroups = []string{"x", "desk-admins"}, []string{"desk-admins"}
	})
	id, err := signIn(t, p)
	require.NoError(t, err)
	assert.Equal(t, []any{"1", "ada", true, "s1"}, []any{id.Subject, id.User, id.Admin, id.Session})
	assert.NotEmpty(t, id.RefreshToken)
	assert.NotEmpty(t, id.IDToken)
}

func TestTokensThatAreNotForThisSignInAreRefused(t *testing.T) {
	idp := oidctest.New(t)
	none := func(c jwt.MapClaims) string {
		raw, _ := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
		return raw
	}
	hs256 := func(c jwt.MapClaims) string {
		raw, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(oidctest.Secret))
		return raw
	}
	for name, c := range map[string]struct {
		change func(jwt.MapClaims)
		sign   func(jwt.MapClaims) string
		want   error
	}{
		"another audience":               {change: func(c jwt.MapClaims) { c["aud"] = "other" }, want: ErrToken},
		"several audiences without azp":  {change: func(c jwt.MapClaims) { c["aud"] = []string{"portal", "other"} }, want: ErrToken},
		"another azp":                    {change: func(c jwt.MapClaims) { c["azp"] = "other" }, want: ErrToken},
		"another issuer":                 {change: func(c jwt.MapClaims) { c["iss"] = "https://evil.example" }, want: ErrToken},
		"another nonce":                  {change: func(c jwt.MapClaims) { c["nonce"] = "other" }, want: ErrToken},
		"no nonce":                       {change: func(c jwt.MapClaims) { delete(c, "nonce") }, want: ErrToken},
		"expired":                        {change: func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }, want: ErrToken},
		"from the future":                {change: func(c jwt.MapClaims) { c["iat"] = time.Now().Add(time.Minute).Unix() }, want: ErrToken},
		"another access token's hash":    {change: func(c jwt.MapClaims) { c["at_hash"] = "other" }, want: ErrToken},
		"no subject":                     {change: func(c jwt.MapClaims) { delete(c, "sub") }, want: ErrToken},
		"an address that is not proven":  {change: func(c jwt.MapClaims) { c["email_verified"] = false }, want: ErrClaims},
		"the same as text":               {change: func(c jwt.MapClaims) { c["email_verified"] = "false" }, want: ErrClaims},
		"no user":                        {change: func(c jwt.MapClaims) { delete(c, "email") }, want: ErrClaims},
		"a user that is no text":         {change: func(c jwt.MapClaims) { c["email"] = 7 }, want: ErrClaims},
		"a user with a line's end":       {change: func(c jwt.MapClaims) { c["email"] = "ada\n@example.com" }, want: ErrClaims},
		"another group":                  {change: func(c jwt.MapClaims) { c["groups"] = []string{"guests"} }, want: ErrNotAllowed},
		"groups that are none":           {change: func(c jwt.MapClaims) { c["groups"] = map[string]any{"staff": true} }, want: ErrNotAllowed},
		"alg none":                       {sign: none, want: ErrToken},
		"HS256 with the client's secret": {sign: hs256, want: ErrToken},
		"a megabyte":                     {sign: func(jwt.MapClaims) string { return strings.Repeat("A", 1<<20) }, want: ErrToken},
		"no token":                       {sign: func(jwt.MapClaims) string { return "" }, want: ErrToken},
		"a clock that is a little ahead": {change: func(c jwt.MapClaims) { c["iat"] = time.Now().Add(20 * time.Second).Unix() }},
		"one that is a little behind":    {change: func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-20 * time.Second).Unix() }},
		"our azp and several audiences":  {change: func(c jwt.MapClaims) { c["aud"], c["azp"] = []string{"portal", "other"}, "portal" }},
		"an address that is proven":      {change: func(c jwt.MapClaims) { c["email_verified"] = true }},
	} {
		t.Run(name, func(t *testing.T) {
			p := asked(t, idp, func(o *config.OIDC) { o.AllowedGroups = []string{"staff"} })
			idp.Set(func(i *oidctest.Provider) { i.Change, i.Sign = c.change, c.sign })
			_, err := signIn(t, p)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			// An answer of a megabyte is cut, and so no answer.
			assert.True(t, errors.Is(err, c.want) || name == "a megabyte" && errors.Is(err, ErrAway), "%v", err)
		})
	}
}

func TestACodeIsGoodOnceAndForItsVerifierOnly(t *testing.T) {
	p := asked(t, oidctest.New(t))
	verifier := oauth2.GenerateVerifier()
	first := code(t, p, "nonce", verifier).Get("code")
	_, err := p.Exchange(t.Context(), first, verifier, "nonce")
	require.NoError(t, err)
	_, err = p.Exchange(t.Context(), first, verifier, "nonce")
	require.ErrorIs(t, err, ErrEnded, "a second time")
	_, err = p.Exchange(t.Context(), code(t, p, "nonce", verifier).Get("code"), oauth2.GenerateVerifier(), "nonce")
	require.ErrorIs(t, err, ErrEnded, "another verifier")
}

func TestTheAnswerOfAnotherIssuerIsRefused(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	require.NoError(t, p.Answered(idp.URL))
	require.ErrorIs(t, p.Answered("https://evil.example"), ErrIssuer)
	require.ErrorIs(t, p.Answered(""), ErrIssuer, "the provider says that it always names itself")
}

func TestTheProviderMayBeAwayWhenThePortalStarts(t *testing.T) {
	idp := oidctest.New(t)
	idp.Set(func(i *oidctest.Provider) { i.Down = true })
	p := unasked(t, idp)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	eventually.True(t, "it is asked", func() bool { return idp.Count("/.well-known/openid-configuration") > 0 })
	_, err := p.Start("state", "nonce", "verifier")
	require.ErrorIs(t, err, ErrAway)
	_, err = p.Exchange(t.Context(), "code", "verifier", "nonce")
	require.ErrorIs(t, err, ErrAway)
	idp.Set(func(i *oidctest.Provider) { i.Down = false })
	eventually.True(t, "it answers", p.Up)
	_, err = signIn(t, p)
	require.NoError(t, err)
	cancel()
	<-done
}

func TestARecheckSaysWhatHasChanged(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp, func(o *config.OIDC) { o.AllowedGroups, o.AdminGroups = []string{"staff"}, []string{"admins"} })
	id, err := signIn(t, p)
	require.NoError(t, err)
	assert.False(t, id.Admin)

	idp.Set(func(i *oidctest.Provider) { i.Person["groups"] = []string{"staff", "admins"} })
	next, err := p.Refresh(t.Context(), id.RefreshToken, id)
	require.NoError(t, err)
	assert.True(t, next.Admin)
	assert.NotEqual(t, id.RefreshToken, next.RefreshToken)

	idp.Set(func(i *oidctest.Provider) { i.Down = true })
	away, err := p.Refresh(t.Context(), next.RefreshToken, next)
	require.ErrorIs(t, err, ErrAway)
	assert.Equal(t, next.RefreshToken, away.RefreshToken)

	idp.Set(func(i *oidctest.Provider) { i.Down, i.Person["sub"] = false, "2" })
	other, err := p.Refresh(t.Context(), next.RefreshToken, next)
	require.ErrorIs(t, err, ErrToken, "another person")
	assert.NotEqual(t, next.RefreshToken, other.RefreshToken, "the new refresh token is not lost")

	idp.Set(func(i *oidctest.Provider) { i.Person["sub"], i.Person["groups"] = "1", "guests" })
	gone, err := p.Refresh(t.Context(), other.RefreshToken, next)
	require.ErrorIs(t, err, ErrNotAllowed)
	_, err = p.Refresh(t.Context(), id.RefreshToken, id)
	require.ErrorIs(t, err, ErrEnded, "a refresh token that was used")
	assert.NotEmpty(t, gone.RefreshToken)
}

func TestARefreshWithoutAnIDTokenSaysWhetherItNamesThePerson(t *testing.T) {
	idp := oidctest.New(t)
	idp.Info = map[string]any{"sub": "1", "email": "ada@example.com", "groups": []string{"staff"}}
	p := asked(t, idp, func(o *config.OIDC) { o.AdminGroups = []string{"admins"} })
	idp.Set(func(i *oidctest.Provider) { i.Person["groups"] = []string{"admins"} })
	id, err := signIn(t, p)
	require.NoError(t, err)
	assert.True(t, id.Named)
	assert.True(t, id.Admin)

	idp.Set(func(i *oidctest.Provider) { i.Silent = true })
	next, err := p.Refresh(t.Context(), id.RefreshToken, id)
	require.NoError(t, err)
	assert.True(t, next.Named)
	assert.False(t, next.Admin, "the userinfo endpoint says so")

	idp.Set(func(i *oidctest.Provider) { delete(i.Info, "groups") })
	id.RefreshToken = next.RefreshToken
	next, err = p.Refresh(t.Context(), id.RefreshToken, id)
	require.NoError(t, err)
	assert.False(t, next.Named)
	assert.True(t, next.Admin, "as it was, for a while")
}

func TestAWrongSecretSignsNobodyOut(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	id, err := signIn(t, p)
	require.NoError(t, err)
	p.Secret = func() (string, error) { return "wrong", nil }
	_, err = p.Refresh(t.Context(), id.RefreshToken, id)
	require.ErrorIs(t, err, ErrAway)
}

func TestUserInfoIsAskedOnlyForWhatTheTokenLacks(t *testing.T) {
	idp := oidctest.New(t)
	idp.Info = map[string]any{"sub": "1", "email": "other@example.com", "groups": []string{"admins"}}
	admins := func(o *config.OIDC) { o.AdminGroups = []string{"admins"} }
	id, err := signIn(t, asked(t, idp, admins))
	require.NoError(t, err)
	assert.False(t, id.Admin, "the token's groups hold")
	assert.Zero(t, idp.Count("/userinfo"))

	idp.Set(func(i *oidctest.Provider) { delete(i.Person, "groups") })
	id, err = signIn(t, asked(t, idp, admins))
	require.NoError(t, err)
	assert.True(t, id.Admin)
	assert.Equal(t, "ada@example.com", id.User, "the token's address holds")

	idp.Set(func(i *oidctest.Provider) { i.Info["sub"] = "2" })
	_, err = signIn(t, asked(t, idp, admins))
	require.ErrorIs(t, err, ErrToken, "another person's")

	idp.Set(func(i *oidctest.Provider) {
		i.Info = map[string]any{"sub": "1", "email": "eve@example.com", "email_verified": false}
		i.Person = map[string]any{"sub": "1", "email_verified": true}
	})
	_, err = signIn(t, asked(t, idp))
	require.ErrorIs(t, err, ErrClaims, "the token proves no address that is not in it")
}

func TestKeysAreFetchedAgainForAnUnknownOneAndNotForEveryone(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	_, err := signIn(t, p)
	require.NoError(t, err)
	idp.Rotate(t)
	_, err = signIn(t, p)
	require.NoError(t, err, "the provider's new key")

	other, before := oidctest.New(t), time.Now()
	for range 200 {
		_, err := p.Logout(t.Context(), other.Signed(jwt.MapClaims{"iss": idp.URL, "aud": oidctest.Client}))
		require.Error(t, err)
	}
	assert.LessOrEqual(t, idp.Count("/keys"), keysBurst+1+int(time.Since(before)/keysEvery))
	_, err = signIn(t, p)
	require.NoError(t, err, "the keys that are known still hold")
	idp.Set(func(i *oidctest.Provider) { i.Sign = other.Signed })
	_, err = signIn(t, p)
	require.Error(t, err)
}

func TestTheMetadataKnownBeforeStays(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	first := p.keys
	require.NoError(t, p.discover(t.Context()))
	assert.Same(t, first, p.keys, "with the keys")
	idp.Set(func(i *oidctest.Provider) { i.Down = true })
	require.Error(t, p.discover(t.Context()))
	assert.NotNil(t, p.known.Load())
}

func TestAProviderThatLeadsToPlainHTTPIsRefused(t *testing.T) {
	good := metadata{Authorization: "https://a/x", Token: "https://a/x", Keys: "https://a/x"}
	require.NoError(t, good.check("https://a"))
	for name, change := range map[string]func(*metadata){
		"authorization_endpoint": func(m *metadata) { m.Authorization = "http://a/x" },
		"token_endpoint":         func(m *metadata) { m.Token = "" },
		"jwks_uri":               func(m *metadata) { m.Keys = "file:///x" },
		"end_session_endpoint":   func(m *metadata) { m.EndSession = "javascript:x" },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, bad.check("https://a"), name)
	}
	assert.Equal(t, []string{"openid", "email"}, (&metadata{Scopes: []string{"openid"}}).scopes([]string{"email", "offline_access", "openid"}))
	assert.Equal(t, []string{"openid", "offline_access"}, (&metadata{}).scopes([]string{"offline_access"}))
	assert.Equal(t, []string{"RS256"}, (&metadata{Algorithms: []string{"none", "HS256"}}).algorithms())
	assert.Equal(t, oauth2.AuthStyleInParams, (&metadata{Authenticates: []string{"client_secret_post"}}).authStyle("secret"))
	assert.Equal(t, oauth2.AuthStyleInParams, (&metadata{}).authStyle(""))
}

func TestALogoutTokenIsNoOtherToken(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	now := time.Now()
	events := map[string]any{logoutEvent: map[string]any{}}
	good := jwt.MapClaims{"iss": idp.URL, "aud": oidctest.Client, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "sub": "1", "sid": "s", "events": events}
	l, err := p.Logout(t.Context(), idp.Signed(good))
	require.NoError(t, err)
	assert.Equal(t, []any{"1", "s", now.Unix()}, []any{l.Subject, l.Session, l.Issued.Unix()})
	for name, change := range map[string]func(jwt.MapClaims){
		"an ID token":      func(c jwt.MapClaims) { delete(c, "events") },
		"with a nonce":     func(c jwt.MapClaims) { c["nonce"] = "x" },
		"of nobody":        func(c jwt.MapClaims) { delete(c, "sub"); delete(c, "sid") },
		"another audience": func(c jwt.MapClaims) { c["aud"] = "x" },
		"expired":          func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Hour).Unix() },
	} {
		bad := jwt.MapClaims{}
		for k, v := range good {
			bad[k] = v
		}
		change(bad)
		_, err := p.Logout(t.Context(), idp.Signed(bad))
		require.ErrorIs(t, err, ErrToken, name)
	}
	_, err = p.Logout(t.Context(), strings.Repeat("x", 1<<20))
	require.ErrorIs(t, err, ErrToken)
}

func TestTheEndAtTheProviderHasTheIDTokenUnlessItIsLong(t *testing.T) {
	idp := oidctest.New(t)
	p := asked(t, idp)
	at, ok := p.EndSession("id", "https://portal/signed-out")
	require.True(t, ok)
	u, err := url.Parse(at)
	require.NoError(t, err)
	assert.Equal(t, url.Values{"client_id": {"portal"}, "id_token_hint": {"id"}, "post_logout_redirect_uri": {"https://portal/signed-out"}}, u.Query())
	at, _ = p.EndSession(strings.Repeat("x", 10000), "https://portal/")
	assert.NotContains(t, at, "xxx")
	assert.Equal(t, idp.URL, p.EndOrigin())
	_, ok = unasked(t, idp).EndSession("id", "/")
	assert.False(t, ok)
}

func TestNothingOfAProvidersAnswerReachesALogButCodesThatAreKnown(t *testing.T) {
	require.ErrorIs(t, Refused("access_denied"), ErrEnded)
	require.ErrorIs(t, Refused("temporarily_unavailable"), ErrAway)
	assert.NotContains(t, Refused("<script>").Error(), "script")
}

func TestCertificatesOfAProviderMustBePEM(t *testing.T) {
	_, err := NewClient([]byte("nonsense"))
	require.ErrorContains(t, err, "PEM")
	c, err := NewClient(nil)
	require.NoError(t, err)
	require.ErrorIs(t, c.CheckRedirect(nil, nil), http.ErrUseLastResponse)
}
