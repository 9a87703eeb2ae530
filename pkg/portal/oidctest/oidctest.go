// Package oidctest is an OpenID Connect provider for tests: it signs real tokens, takes each
// code and each refresh token once, checks PKCE, and misbehaves where a test says so.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/signin"
)

// Client is the portal's ID, and Secret its secret.
const (
	Client = "portal"
	Secret = "the client's secret"
)

// Provider has one person, who signs in without being asked.
type Provider struct {
	*httptest.Server

	mu sync.Mutex
	// Person are the claims of ID tokens; Info are those of the userinfo endpoint.
	Person, Info map[string]any
	// Offline gives refresh tokens.
	Offline bool
	// Silent gives no ID token with a refresh.
	Silent bool
	// Down answers nothing but 503.
	Down bool
	// Change changes the claims of the next tokens.
	Change func(jwt.MapClaims)
	// Sign, if set, signs otherwise.
	Sign func(jwt.MapClaims) string
	// Deny, if set, is the error by which people are sent back.
	Deny string

	key     *ecdsa.PrivateKey
	kid     string
	codes   map[string]url.Values
	refresh map[string]bool
	// Asked counts requests by path; Reused is how often a refresh token came twice.
	Asked  map[string]int
	Reused int
}

// New starts a provider for the test.
func New(t testing.TB) *Provider {
	p := &Provider{Person: map[string]any{"sub": "1", "email": "ada@example.com", "groups": []string{"staff"}}, Offline: true,
		codes: map[string]url.Values{}, refresh: map[string]bool{}, Asked: map[string]int{}}
	require.NoError(t, p.rotate())
	p.Server = httptest.NewServer(p.handler())
	t.Cleanup(p.Close)
	return p
}

// Set changes the provider while it is asked.
func (p *Provider) Set(change func(p *Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// Count is how often a path was asked for.
func (p *Provider) Count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Asked[path]
}

// Rotate replaces the key that signs.
func (p *Provider) Rotate(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(t, p.rotate())
}

func (p *Provider) rotate() (err error) {
	p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.kid = signin.NewSecret()
	return err
}

// Revoke makes all refresh tokens good for nothing.
func (p *Provider) Revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh = map[string]bool{}
}

func (p *Provider) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", p.configuration)
	mux.HandleFunc("/keys", p.keys)
	mux.HandleFunc("/authorize", p.authorize)
	mux.HandleFunc("/token", p.token)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.Info) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.Asked[r.URL.Path]++
		if p.Down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what)
}

func (p *Provider) configuration(w http.ResponseWriter, _ *http.Request) {
	c := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"end_session_endpoint": p.URL + "/end", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": true}
	if p.Info != nil {
		c["userinfo_endpoint"] = p.URL + "/userinfo"
	}
	answer(w, http.StatusOK, c)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	point, _ := p.key.PublicKey.Bytes() // a good key
	b64 := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": p.kid,
		"x": b64(point[1:33]), "y": b64(point[33:])}}})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back := url.Values{"state": {q.Get("state")}, "iss": {p.URL}}
	if p.Deny != "" {
		back.Set("error", p.Deny)
	} else {
		code := signin.NewSecret()
		p.codes[code] = q
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(code string) { answer(w, http.StatusBadRequest, map[string]any{"error": code}) }
	if id, secret, _ := r.BasicAuth(); id != Client || secret != url.QueryEscape(Secret) {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	nonce := ""
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		q, ok := p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
			q.Get("redirect_uri") != r.PostFormValue("redirect_uri") {
			refuse("invalid_grant")
			return
		}
		nonce = q.Get("nonce")
	case "refresh_token":
		if !p.refresh[r.PostFormValue("refresh_token")] {
			p.Reused++
			refuse("invalid_grant")
			return
		}
		delete(p.refresh, r.PostFormValue("refresh_token"))
	}
	tokens := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.idToken(nonce)}
	if p.Silent && r.PostFormValue("grant_type") == "refresh_token" {
		delete(tokens, "id_token")
	}
	if p.Offline {
		next := signin.NewSecret()
		p.refresh[next] = true
		tokens["refresh_token"] = next
	}
	answer(w, http.StatusOK, tokens)
}

func (p *Provider) idToken(nonce string) string {
	now := time.Now()
	c := jwt.MapClaims{"iss": p.URL, "aud": Client, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	if nonce != "" {
		c["nonce"] = nonce
	}
	for name, value := range p.Person {
		c[name] = value
	}
	if p.Change != nil {
		p.Change(c)
	}
	if p.Sign != nil {
		return p.Sign(c)
	}
	return p.Signed(c)
}

// Signed is a token with these claims.
func (p *Provider) Signed(c jwt.MapClaims) string {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	t.Header["kid"] = p.kid
	raw, err := t.SignedString(p.key)
	if err != nil {
		panic(err)
	}
	return raw
}
