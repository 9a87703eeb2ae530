package provider

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/org/vdi-operator/pkg/config"
)

const (
	// maxToken is longer than any good token: one with hundreds of groups has some 16 KiB.
	maxToken = 64 << 10
	// maxUser and maxSubject are what a VDISignIn takes.
	maxUser    = 253
	maxSubject = 255
)

// Identity is who has signed in.
type Identity struct {
	// Subject is the person, and Session the sign-in, as the provider knows them.
	Subject, Session string
	// User is the person as sessions know them.
	User  string
	Admin bool
	// IDToken and RefreshToken are the provider's; the latter may be missing.
	IDToken, RefreshToken string
	// Named says that the provider has just said who it is, and in which groups. A refresh may
	// confirm the sign-in alone: then it is who it was.
	Named bool
}

// expected is what a token must have: a nonce when somebody signs in, a subject afterwards.
type expected struct{ nonce, subject string }

// late is the time for expiries, later than which the provider's clock may be.
func (p *Provider) late() time.Time { return p.Now().Add(-p.OIDC.Leeway.Duration) }

// identify reads who the tokens are of.
func (p *Provider) identify(ctx context.Context, m *metadata, token *oauth2.Token, raw string, want expected) (Identity, error) {
	id := Identity{RefreshToken: token.RefreshToken}
	if len(raw) > maxToken || len(token.RefreshToken) > maxToken {
		return Identity{}, fault(ErrToken, "it is longer than %d bytes", maxToken)
	}
	verified, err := m.verify(ctx, raw)
	if err != nil {
		return id, err
	}
	all := claims{}
	if err := verified.Claims(&all); err != nil {
		return id, fault(ErrToken, "its claims cannot be read")
	}
	if err := p.checkToken(verified, all, token, want); err != nil {
		return id, err
	}
	if all, err = p.complete(ctx, m, token, all, verified.Subject); err != nil {
		return id, err
	}
	id.Subject, id.IDToken = verified.Subject, raw
	if sid, _ := all["sid"].(string); len(sid) <= maxSubject {
		id.Session = sid
	}
	return p.name(id, all)
}

// verify checks a token's signature, issuer, audience and expiry. Keys that cannot be fetched
// say nothing of the token.
func (m *metadata) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	t, err := m.verifier.Verify(ctx, raw)
	switch {
	case err == nil:
		return t, nil
	case strings.Contains(err.Error(), "fetching keys"): // which go-oidc does not wrap
		return nil, fault(ErrAway, "its keys cannot be fetched")
	}
	said := err.Error() // it quotes claims, which may be long
	return nil, fault(ErrToken, "%.200q", said)
}

// again reads who it is where the provider gave no new ID token: of the userinfo endpoint if
// there is one, and else it is who it was, for as long as package signins believes that.
func (p *Provider) again(ctx context.Context, m *metadata, token *oauth2.Token, of Identity) (Identity, error) {
	of.RefreshToken, of.Named = token.RefreshToken, false
	if len(token.RefreshToken) > maxToken {
		return Identity{}, fault(ErrToken, "it is longer than %d bytes", maxToken)
	}
	if m.UserInfo == "" {
		return of, nil
	}
	all, err := p.userInfo(ctx, m, token, of.Subject)
	if err != nil {
		return of, err
	}
	// What the endpoint does not say was said by the first ID token.
	if lacks(all, p.OIDC) {
		return of, nil
	}
	return p.name(of, all)
}

// checkToken is what OpenID Connect Core 3.1.3.7 asks for beyond signature, issuer, audience
// and expiry.
func (p *Provider) checkToken(t *oidc.IDToken, all claims, token *oauth2.Token, want expected) error {
	azp, _ := all["azp"].(string)
	switch {
	case t.Subject == "" || len(t.Subject) > maxSubject:
		return fault(ErrToken, "sub is missing or too long")
	case azp != "" && azp != p.OIDC.ClientID, azp == "" && len(t.Audience) > 1:
		return fault(ErrToken, "azp is another client, or is missing beside several audiences")
	case t.IssuedAt.After(p.Now().Add(p.OIDC.Leeway.Duration)):
		return fault(ErrToken, "it was issued in the future: compare the clocks, or raise auth.oidc.leeway")
	case want.nonce != "" && subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(want.nonce)) == 0:
		return fault(ErrToken, "the nonce is another sign-in's")
	case want.subject != "" && t.Subject != want.subject:
		return fault(ErrToken, "it is another person's")
	case t.AccessTokenHash != "" && t.VerifyAccessToken(token.AccessToken) != nil:
		return fault(ErrToken, "at_hash is another access token's")
	}
	return nil
}

// complete adds what only the userinfo endpoint says.
func (p *Provider) complete(ctx context.Context, m *metadata, token *oauth2.Token, all claims, subject string) (claims, error) {
	if m.UserInfo == "" || !lacks(all, p.OIDC) {
		return all, nil
	}
	more, err := p.userInfo(ctx, m, token, subject)
	if err != nil {
		return nil, err
	}
	if _, has := all[p.OIDC.Claims.User]; !has {
		delete(all, verifiedClaim) // it says nothing of an address that comes from elsewhere
	}
	for name, value := range more {
		if _, has := all[name]; !has {
			all[name] = value
		}
	}
	return all, nil
}

func (p *Provider) userInfo(ctx context.Context, m *metadata, token *oauth2.Token, subject string) (claims, error) {
	ctx = oidc.ClientContext(ctx, p.HTTP)
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		p.Log.Warn("the identity provider's userinfo endpoint does not answer", "error", withoutURL(err))
		return nil, ErrAway
	}
	all := claims{}
	switch err := info.Claims(&all); {
	case err != nil:
		return nil, fault(ErrToken, "what the userinfo endpoint says cannot be read")
	case info.Subject != subject:
		return nil, fault(ErrToken, "what the userinfo endpoint says is another person's")
	}
	return all, nil
}

// name says who it is by the installation's claims.
func (p *Provider) name(id Identity, all claims) (Identity, error) {
	user, err := all.user(p.OIDC.Claims.User)
	if err != nil {
		return id, err
	}
	groups := all.list(p.OIDC.Claims.Groups)
	if allowed := p.OIDC.AllowedGroups; len(allowed) > 0 && !meet(groups, allowed) {
		return id, ErrNotAllowed
	}
	id.User, id.Admin, id.Named = user, meet(groups, p.OIDC.AdminGroups), true
	return id, nil
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool { return slices.Contains(b, one) })
}

// claims are what a token says, by name.
type claims map[string]any

const (
	emailClaim    = "email"
	verifiedClaim = "email_verified"
)

// lacks says that a claim is missing that is needed.
func lacks(all claims, o config.OIDC) bool {
	_, user := all[o.Claims.User]
	_, groups := all[o.Claims.Groups]
	return !user || !groups && len(o.AllowedGroups)+len(o.AdminGroups) > 0
}

// user is the person, whose address, where they are known by it, is not said to be unproven.
func (c claims) user(claim string) (string, error) {
	user, _ := c[claim].(string)
	switch {
	case user == "":
		return "", fault(ErrClaims, "the claim %s of auth.oidc.claims.user is missing: check auth.oidc.scopes, and what the client may see", claim)
	case len(user) > maxUser || strings.ContainsFunc(user, unicode.IsControl) || strings.TrimSpace(user) != user:
		return "", fault(ErrClaims, "the claim %s is no name: it is too long, or has control characters or spaces around it", claim)
	case claim == emailClaim && (c[verifiedClaim] == false || c[verifiedClaim] == "false"):
		return "", fault(ErrClaims, "%s is false: anybody could have given that address", verifiedClaim)
	}
	return user, nil
}

// list is a claim that has a list of texts, or one.
func (c claims) list(claim string) (all []string) {
	switch value := c[claim].(type) {
	case string:
		return []string{value}
	case []any:
		for _, one := range value {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
