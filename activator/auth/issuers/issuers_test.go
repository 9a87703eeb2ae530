package issuers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

// provider is an issuer of the test's.
type provider struct {
	*httptest.Server
	testing.TB
	mu    sync.Mutex
	keys  map[string]*ecdsa.PrivateKey
	asked int
	away  bool
}

func newProvider(t testing.TB) *provider {
	p := &provider{TB: t, keys: map[string]*ecdsa.PrivateKey{}}
	p.rotate("1")
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL, "token_endpoint": p.URL,
			"id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if p.away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var all []map[string]string
		for id, key := range p.keys {
			point, _ := key.PublicKey.Bytes()
			all = append(all, map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
				"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": all})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) rotate(id string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(p, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[id] = key
}

func (p *provider) sign(kid string, change jwt.MapClaims) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := jwt.MapClaims{"iss": p.URL, "sub": "7", "aud": "vdi", "email": "ci@example.com", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	maps.Copy(c, change)
	t := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	t.Header["kid"] = kid
	raw, err := t.SignedString(p.keys[kid])
	require.NoError(p, err)
	return raw
}

func (p *provider) issuers() *Issuers {
	i := New([]config.Issuer{{URL: p.URL, Audience: "vdi", Claims: config.IssuerClaims{User: "email"}}}, slog.New(slog.DiscardHandler))
	i.Run(p.Context())
	return i
}

func TestAProgramIsWhomItsTokenNames(t *testing.T) {
	p := newProvider(t)
	i := p.issuers()
	raw := p.sign("1", nil)
	assert.True(t, i.Issued(raw))
	assert.False(t, i.Known(raw))
	user, until, err := i.Check(t.Context(), raw, time.Now())
	require.NoError(t, err)
	assert.Equal(t, "ci@example.com", user)
	assert.WithinDuration(t, time.Now().Add(time.Hour), until, time.Minute)
	assert.True(t, i.Known(raw))
	for name, tc := range map[string]struct {
		claims jwt.MapClaims
		want   error
	}{
		"another audience":           {jwt.MapClaims{"aud": "x"}, token.ErrMalformed},
		"for another program":        {jwt.MapClaims{"aud": []string{"vdi", "x"}, "azp": "x"}, token.ErrMalformed},
		"expired":                    {jwt.MapClaims{"exp": 1}, token.ErrExpired},
		"nobody":                     {jwt.MapClaims{"email": ""}, token.ErrMalformed},
		"a number":                   {jwt.MapClaims{"email": 7}, token.ErrMalformed},
		"an address nobody confirms": {jwt.MapClaims{"email_verified": false}, token.ErrMalformed},
	} {
		_, _, err := i.Check(t.Context(), p.sign("1", tc.claims), time.Now())
		assert.ErrorIs(t, err, tc.want, name)
	}
	for name, raw := range map[string]string{"rubbish": "x", "another issuer's": p.sign("1", jwt.MapClaims{"iss": "https://evil.example"})} {
		assert.False(t, i.Issued(raw), name)
		_, _, err := i.Check(t.Context(), raw, time.Now())
		assert.ErrorIs(t, err, token.ErrMalformed, name)
	}
}

func TestANewKeyIsAskedForAndNotMoreOftenThanThat(t *testing.T) {
	p := newProvider(t)
	i := p.issuers()
	_, _, err := i.Check(t.Context(), p.sign("1", nil), time.Now())
	require.NoError(t, err)
	p.rotate("2")
	_, _, err = i.Check(t.Context(), p.sign("2", nil), time.Now())
	require.NoError(t, err)
	for range 20 {
		forged := newProvider(t)
		forged.rotate("3")
		_, _, err = i.Check(t.Context(), forged.sign("3", jwt.MapClaims{"iss": p.URL}), time.Now())
		assert.ErrorIs(t, err, token.ErrMalformed)
	}
	p.mu.Lock()
	assert.LessOrEqual(t, p.asked, keysBurst+1)
	p.away = true
	p.mu.Unlock()
	_, _, err = i.Check(t.Context(), p.sign("1", jwt.MapClaims{"jti": "2"}), time.Now())
	assert.NoError(t, err, "the keys that were had last stay")
}

func TestAnIssuerThatWasNeverReachedIsNamedSo(t *testing.T) {
	p := newProvider(t)
	i := New([]config.Issuer{{URL: p.URL, Audience: "vdi", Claims: config.IssuerClaims{User: "email"}}}, slog.New(slog.DiscardHandler))
	_, _, err := i.Check(t.Context(), p.sign("1", nil), time.Now())
	assert.ErrorIs(t, err, ErrAway)
	assert.False(t, (*Issuers)(nil).Issued("x"))
}

func FuzzIssued(f *testing.F) {
	i := New([]config.Issuer{{URL: "https://a.example", Audience: "vdi"}}, slog.New(slog.DiscardHandler))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSJ9.")
	f.Fuzz(func(t *testing.T, raw string) {
		i.Issued(raw)
		if _, _, err := i.Check(t.Context(), raw, time.Now()); err == nil {
			t.Errorf("%q names somebody", raw)
		}
	})
}
