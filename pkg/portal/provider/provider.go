// Package provider asks an OpenID Connect provider who somebody is: by authorization code with
// PKCE when they sign in, and by the refresh token whether that still holds.
//
// It needs no provider to start. What the provider says of itself is read again and again, and
// the last that was good stays while it is away. Nothing that it returns as an error has a
// code, a token or a secret in it.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/org/vdi-operator/pkg/config"
)

const (
	// askEvery is how often the provider is asked what it says of itself.
	askEvery = time.Minute
	// retryFirst and retryMost bound the pause after a failure.
	retryFirst = time.Second
	retryMost  = 30 * time.Second
	// kickAfter is how soon somebody who waits for the provider has it asked again.
	kickAfter = time.Second
)

// Options are a provider's.
type Options struct {
	OIDC config.OIDC
	// Redirect is the portal's callback.
	Redirect string
	// Secret is the client's; empty for a public client.
	Secret func() (string, error)
	// HTTP is how the provider is asked: NewClient.
	HTTP *http.Client
	// Answers hears whether the provider answers.
	Answers func(up bool)
	Log     *slog.Logger
	Now     func() time.Time
}

// Provider is safe for concurrent use.
type Provider struct {
	Options
	known  atomic.Pointer[metadata]
	up     atomic.Bool
	kick   chan struct{}
	failed atomic.Pointer[string] // what was logged last; nil while it answers
	keys   *keys                  // by Run alone
}

// New makes a provider of which nothing is known before Run asks it.
func New(o Options) *Provider {
	o.OIDC.Issuer = strings.TrimSpace(o.OIDC.Issuer)
	return &Provider{Options: o, kick: make(chan struct{}, 1)}
}

// Up says that the provider answered when it was asked last. Otherwise it is asked soon.
func (p *Provider) Up() bool {
	if p.up.Load() {
		return true
	}
	p.soon()
	return false
}

// Problem is what is wrong with the provider, for who mends it; empty where people can sign in.
func (p *Provider) Problem() string {
	if p.up.Load() {
		return ""
	}
	if failed := p.failed.Load(); failed != nil {
		return fmt.Sprintf("auth.oidc.issuer %s: %s", p.OIDC.Issuer, *failed)
	}
	return fmt.Sprintf("auth.oidc.issuer %s: it was not asked yet", p.OIDC.Issuer)
}

// soon has Run ask the provider without waiting for long.
func (p *Provider) soon() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Run asks the provider what it says of itself, until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	pause := retryFirst
	for ctx.Err() == nil {
		wait := askEvery
		if err := p.discover(ctx); err != nil {
			p.away(err)
			wait, pause = pause, min(2*pause, retryMost)
		} else {
			pause = retryFirst
			p.answers()
		}
		p.sleep(ctx, wait)
	}
}

// sleep waits, and not as long where somebody waits for the provider.
func (p *Provider) sleep(ctx context.Context, wait time.Duration) {
	pause := func(c <-chan struct{}, d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-c:
		case <-t.C:
		}
	}
	soon := min(wait, kickAfter)
	pause(nil, soon)
	pause(p.kick, wait-soon)
}

func (p *Provider) answers() {
	if !p.up.Swap(true) {
		p.Log.Info("the identity provider answers", "issuer", p.OIDC.Issuer)
	}
	p.failed.Store(nil)
	p.Answers(true)
}

func (p *Provider) away(err error) {
	p.up.Store(false)
	p.Answers(false)
	text := err.Error()
	if was := p.failed.Swap(&text); was == nil || *was != text {
		p.Log.Error("nobody can sign in: the identity provider of auth.oidc.issuer cannot be used", "issuer", p.OIDC.Issuer, "error", err)
	}
}

// Start is where a browser is sent to sign in.
func (p *Provider) Start(state, nonce, verifier string) (string, error) {
	m := p.known.Load()
	if m == nil || !p.Up() {
		return "", ErrAway
	}
	c := p.client(m, "")
	return c.AuthCodeURL(state, oauth2.SetAuthURLParam("nonce", nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Answered checks the iss parameter of the provider's answer (RFC 9207).
func (p *Provider) Answered(iss string) error {
	m := p.known.Load()
	if m == nil {
		return ErrAway
	}
	if iss == "" && m.NamesIssuer || iss != "" && iss != p.OIDC.Issuer {
		return ErrIssuer
	}
	return nil
}

// Exchange turns a code into who it stands for.
func (p *Provider) Exchange(ctx context.Context, code, verifier, nonce string) (Identity, error) {
	m, c, err := p.ready()
	if err != nil {
		return Identity{}, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.HTTP)
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Identity{}, p.failure(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Identity{}, fault(ErrToken, "the provider gave no ID token: the scope openid must be allowed for the client")
	}
	return p.identify(ctx, m, token, raw, expected{nonce: nonce})
}

// Refresh asks whether a sign-in still holds. The refresh token of the identity replaces the
// former one even where there is an error.
func (p *Provider) Refresh(ctx context.Context, refresh string, of Identity) (Identity, error) {
	m, c, err := p.ready()
	if err != nil {
		return Identity{RefreshToken: refresh}, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.HTTP)
	token, err := c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return Identity{RefreshToken: refresh}, p.failure(err)
	}
	if raw, _ := token.Extra("id_token").(string); raw != "" {
		return p.identify(ctx, m, token, raw, expected{subject: of.Subject})
	}
	return p.again(ctx, m, token, of)
}

// EndSession is where a browser is sent to sign out at the provider too; none where it does
// not offer that.
func (p *Provider) EndSession(idToken, back string) (string, bool) {
	m := p.known.Load()
	if m == nil || m.EndSession == "" {
		return "", false
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return "", false
	}
	q := u.Query()
	q.Set("client_id", p.OIDC.ClientID)
	q.Set("post_logout_redirect_uri", back)
	if idToken != "" && len(idToken) <= maxHint {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String(), true
}

// maxHint is how long an ID token may be in a URL: servers take 8 KiB, some 4.
const maxHint = 3 << 10

// EndOrigin is the origin of where EndSession leads, for a page's Content-Security-Policy.
func (p *Provider) EndOrigin() string {
	m := p.known.Load()
	if m == nil {
		return ""
	}
	u, err := url.Parse(m.EndSession)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// ready is what is needed to ask for tokens.
func (p *Provider) ready() (*metadata, *oauth2.Config, error) {
	m := p.known.Load()
	if m == nil {
		return nil, nil, ErrAway
	}
	secret, err := p.Secret()
	if err != nil {
		p.Log.Error("the client secret cannot be read", "error", err)
		return nil, nil, ErrAway
	}
	return m, p.client(m, secret), nil
}

// client is the portal as the provider knows it.
func (p *Provider) client(m *metadata, secret string) *oauth2.Config {
	e := oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: m.authStyle(secret)}
	return &oauth2.Config{ClientID: p.OIDC.ClientID, ClientSecret: secret, Endpoint: e, RedirectURL: p.Redirect, Scopes: m.scopes(p.OIDC.Scopes)}
}

// ended are the errors of the token endpoint by which a person is not signed in any more, or
// a code or refresh token is good for nothing.
var ended = map[string]bool{"invalid_grant": true, "access_denied": true, "interaction_required": true, "login_required": true,
	"consent_required": true, "account_selection_required": true}

// failure is what the token endpoint's refusal means.
func (p *Provider) failure(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if errors.Is(err, context.Canceled) {
			return ErrAway
		}
		p.Log.Warn("the identity provider does not give tokens", "error", withoutURL(err))
		p.soon()
		return ErrAway
	}
	code := known(answer.ErrorCode)
	switch {
	case ended[answer.ErrorCode]:
		return fault(ErrEnded, "%s", code)
	case answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client" || answer.Response.StatusCode == http.StatusUnauthorized:
		p.Log.Error("the identity provider refuses the portal itself: check auth.oidc.clientID and the client secret", "code", code,
			"status", answer.Response.StatusCode)
	default:
		p.Log.Warn("the identity provider does not give tokens", "code", code, "status", answer.Response.StatusCode)
	}
	return ErrAway
}

// withoutURL is an error without the URL that was asked, which may have a query.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
