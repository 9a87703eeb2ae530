package provider

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// offline is the scope that asks for a refresh token; not every provider takes it.
const offline = "offline_access"

// metadata is what the provider says of itself.
type metadata struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	UserInfo      string   `json:"userinfo_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	Authenticates []string `json:"token_endpoint_auth_methods_supported"`
	// NamesIssuer says that every answer has the iss parameter of RFC 9207.
	NamesIssuer bool `json:"authorization_response_iss_parameter_supported"`

	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
}

// discover reads what the provider says of itself; its keys are those known before, as long
// as they are at the same place.
func (p *Provider) discover(ctx context.Context) error {
	ctx = oidc.ClientContext(ctx, p.HTTP)
	provider, err := oidc.NewProvider(ctx, p.OIDC.Issuer)
	if err != nil {
		return fmt.Errorf("reading its configuration: %w", err)
	}
	m := &metadata{provider: provider}
	if err := provider.Claims(m); err != nil {
		return fmt.Errorf("reading its configuration: %w", err)
	}
	if err := m.check(p.OIDC.Issuer); err != nil {
		return err
	}
	if p.keys == nil || p.keys.url != m.Keys {
		p.keys = newKeys(m.Keys, p.HTTP)
	}
	m.verifier = oidc.NewVerifier(p.OIDC.Issuer, p.keys, &oidc.Config{ClientID: p.OIDC.ClientID, SupportedSigningAlgs: m.algorithms(), Now: p.late})
	p.known.Store(m)
	return nil
}

// check refuses a provider that lacks what is needed, or leads from https to http.
func (m *metadata) check(issuer string) error {
	of, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": m.Authorization, "token_endpoint": m.Token, "jwks_uri": m.Keys,
		"userinfo_endpoint": m.UserInfo, "end_session_endpoint": m.EndSession} {
		if endpoint == "" && (name == "userinfo_endpoint" || name == "end_session_endpoint") {
			continue
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != of.Scheme {
			return fmt.Errorf("its configuration has %s %q: it must be a URL with https", name, endpoint)
		}
	}
	return nil
}

// asymmetric are the algorithms by which a provider signs with a key that it alone has: not
// none, and not those with the client's secret.
var asymmetric = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

func (m *metadata) algorithms() []string {
	both := slices.DeleteFunc(slices.Clone(m.Algorithms), func(alg string) bool { return !slices.Contains(asymmetric, alg) })
	if len(both) == 0 {
		return []string{oidc.RS256}
	}
	return both
}

// scopes are those asked for: offline_access only where the provider may know it.
func (m *metadata) scopes(asked []string) []string {
	scopes := []string{oidc.ScopeOpenID}
	for _, scope := range asked {
		unknown := scope == offline && len(m.Scopes) > 0 && !slices.Contains(m.Scopes, offline)
		if !unknown && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// authStyle is how the portal proves to be the client. Nothing is tried: a code is good once.
func (m *metadata) authStyle(secret string) oauth2.AuthStyle {
	basic := len(m.Authenticates) == 0 || slices.Contains(m.Authenticates, "client_secret_basic")
	if secret != "" && basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
