package provider

import (
	"context"
	"time"
)

// logoutEvent makes a token one of OpenID Connect Back-Channel Logout 1.0.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout is what the provider says has ended: a sign-in, or all of a person.
type Logout struct {
	Subject, Session string
	// Issued is when the provider said so: what began later goes on.
	Issued time.Time
}

// Logout reads a logout token.
func (p *Provider) Logout(ctx context.Context, raw string) (Logout, error) {
	m := p.known.Load()
	if m == nil {
		return Logout{}, ErrAway
	}
	if len(raw) > maxToken {
		return Logout{}, fault(ErrToken, "it is longer than %d bytes", maxToken)
	}
	t, err := m.verify(ctx, raw)
	if err != nil {
		return Logout{}, err
	}
	var c struct {
		Session string         `json:"sid"`
		Nonce   *string        `json:"nonce"`
		Events  map[string]any `json:"events"`
	}
	if err := t.Claims(&c); err != nil {
		return Logout{}, fault(ErrToken, "its claims cannot be read")
	}
	_, event := c.Events[logoutEvent].(map[string]any)
	if !event || c.Nonce != nil || t.Subject == "" && c.Session == "" || t.IssuedAt.After(p.Now().Add(p.OIDC.Leeway.Duration)) {
		return Logout{}, fault(ErrToken, "it is no logout token")
	}
	return Logout{Subject: t.Subject, Session: c.Session, Issued: t.IssuedAt}, nil
}
