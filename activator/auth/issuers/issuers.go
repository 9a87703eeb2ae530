// Package issuers checks the bearer tokens that programs have from other issuers than this
// installation.
//
// An issuer is asked for its keys when they are needed first and when a token names one that is
// not known, so often and no more: with known keys nobody waits for an issuer, and one that is
// away does not take back what it has said.
package issuers

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// askWithin bounds one question to an issuer, waitWithin how long a program waits for it.
	askWithin, waitWithin = 10 * time.Second, 3 * time.Second
	// findEvery is the pause after an issuer was not found.
	findEvery = 30 * time.Second
	// keysPerSecond and keysBurst bound how often an issuer is asked for its keys.
	keysPerSecond, keysBurst = 1.0 / 30, 3
	// maxLength is the longest token, in bytes: some issuers list groups.
	maxLength = 16 << 10
	// maxGood bounds the tokens that are known to be good, and goodFor for how long one is.
	maxGood, goodFor = 1 << 10, 5 * time.Minute
	longestUser      = 253
)

// ErrAway says that an issuer has not been reached yet.
var ErrAway = errors.New("the issuer does not answer")

// Issuers check tokens.
type Issuers struct {
	all  []*issuer
	good *lru.Cache
	log  *slog.Logger
}

type issuer struct {
	config.Issuer
	client *http.Client
	// keys says that its keys were had once.
	keys     atomic.Bool
	verifier atomic.Pointer[oidc.IDTokenVerifier]
}

// New makes them; nil where there are none.
func New(all []config.Issuer, log *slog.Logger) *Issuers {
	if len(all) == 0 {
		return nil
	}
	i := &Issuers{good: lru.New(maxGood), log: log}
	for _, one := range all {
		is := &issuer{Issuer: one}
		is.client = &http.Client{Timeout: askWithin, Transport: &sparing{issuer: is, rate: limit.NewRate[string](keysPerSecond, keysBurst),
			transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}}
		i.all = append(i.all, is)
	}
	return i
}

// sparing asks an issuer no more often than it may.
type sparing struct {
	issuer    *issuer
	rate      *limit.Rate[string]
	transport *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	// What is found is asked for until then; see Run.
	found := s.issuer.verifier.Load() != nil
	if found && s.rate.Take(s.issuer.URL, time.Now()) > 0 {
		return nil, errors.New("asked too often")
	}
	answer, err := s.transport.RoundTrip(r)
	if found && err == nil && answer.StatusCode == http.StatusOK {
		s.issuer.keys.Store(true)
	}
	return answer, err
}

// Run finds the issuers, until it has or ctx ends.
func (i *Issuers) Run(ctx context.Context) {
	for _, one := range i.all {
		for {
			err := one.find(ctx)
			if err == nil || ctx.Err() != nil {
				break
			}
			i.log.Error("an issuer of auth.issuers was not found; it is tried again", "issuer", one.URL, "error", err)
			select {
			case <-time.After(findEvery):
			case <-ctx.Done():
				return
			}
		}
	}
}

func (one *issuer) find(ctx context.Context) error {
	// The provider asks for its keys by this context's client, and later than this call.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), one.client), one.URL)
	if err != nil {
		return err
	}
	one.verifier.Store(provider.Verifier(&oidc.Config{ClientID: one.Audience}))
	return nil
}

// Issued says that a token claims to be one of an issuer's.
func (i *Issuers) Issued(raw string) bool { return i != nil && i.of(raw) != nil }

func (i *Issuers) of(raw string) *issuer {
	if len(raw) > maxLength {
		return nil
	}
	var c jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(raw, &c); err != nil {
		return nil
	}
	at := slices.IndexFunc(i.all, func(one *issuer) bool { return one.URL == c.Issuer })
	if at < 0 {
		return nil
	}
	return i.all[at]
}

// good is whose a token was found to be.
type good struct {
	user  string
	until time.Time
	// again is when it is checked again.
	again time.Time
}

// Known says that a token was checked a while ago.
func (i *Issuers) Known(raw string) bool {
	_, known := i.recall(raw, time.Now())
	return known
}

func (i *Issuers) recall(raw string, now time.Time) (good, bool) {
	was, is := i.good.Get(sha256.Sum256([]byte(raw)))
	if !is || !now.Before(was.(good).again) {
		return good{}, false
	}
	return was.(good), true
}

// Check says whose a token is and when it ends, or an error of package token, or ErrAway.
func (i *Issuers) Check(ctx context.Context, raw string, now time.Time) (user string, until time.Time, err error) {
	if was, known := i.recall(raw, now); known {
		return was.user, was.until, nil
	}
	one := i.of(raw)
	if one == nil {
		return "", time.Time{}, token.ErrMalformed
	}
	verifier := one.verifier.Load()
	if verifier == nil {
		return "", time.Time{}, ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, waitWithin)
	defer cancel()
	checked, err := verifier.Verify(ctx, raw)
	switch expired := (*oidc.TokenExpiredError)(nil); {
	case errors.As(err, &expired):
		return "", time.Time{}, token.ErrExpired
	case err != nil && !one.keys.Load():
		return "", time.Time{}, ErrAway
	case err != nil:
		return "", time.Time{}, token.ErrMalformed
	}
	if user, err = one.user(checked); err != nil {
		return "", time.Time{}, err
	}
	again := now.Add(goodFor)
	if checked.Expiry.Before(again) {
		again = checked.Expiry
	}
	i.good.Add(sha256.Sum256([]byte(raw)), good{user: user, until: checked.Expiry, again: again})
	return user, checked.Expiry, nil
}

// user is whom a token that was checked names. One for several audiences must have been made for
// ours, and an address that nobody has confirmed names nobody.
func (one *issuer) user(t *oidc.IDToken) (string, error) {
	var c map[string]any
	if t.Claims(&c) != nil {
		return "", token.ErrMalformed
	}
	if by, is := c["azp"]; is && len(t.Audience) > 1 && by != one.Audience {
		return "", token.ErrMalformed
	}
	if verified, is := c["email_verified"]; is && verified != true && one.Claims.User == "email" {
		return "", token.ErrMalformed
	}
	user, _ := c[one.Claims.User].(string)
	if user == "" || len(user) > longestUser {
		return "", token.ErrMalformed
	}
	return user, nil
}
