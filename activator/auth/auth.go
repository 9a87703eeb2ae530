// Package auth finds out who visits a session: it takes the token from a link, a
// cookie or an Authorization header and checks that it opens this session.
//
// A link's token is exchanged for a cookie and leaves the address bar. Nothing of
// it reaches a log or a desktop.
package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
)

// QueryParameter carries a link's token. It is not "token": Selkies 2 uses that.
const QueryParameter = "vdi_token"

// The cookie's names. The prefix __Host- makes browsers insist on Secure, on the
// path / and on this very host.
const (
	secureCookie = "__Host-vdi-session"
	plainCookie  = "vdi-session"
)

const bearer = "Bearer "

// ErrNoToken says that the visitor showed none.
var ErrNoToken = errors.New("no token")

// Guard checks visitors.
type Guard struct {
	verifier *token.Verifier
	secure   bool
	now      func() time.Time
}

// NewGuard makes a guard. secure says that visitors come by HTTPS.
func NewGuard(v *token.Verifier, secure bool) *Guard {
	return &Guard{verifier: v, secure: secure, now: time.Now}
}

// Check returns nil when the request's token opens the session. The errors are
// ErrNoToken and those of package token.
func (g *Guard) Check(r *http.Request, s *v1alpha1.VDISession) error {
	_, err := g.verify(g.rawToken(r), s)
	return err
}

// Link says that the request carries a link's token in its query.
func (g *Guard) Link(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Has(QueryParameter)
}

// Exchange turns a link's token into a cookie and sends the browser to the same
// address without it.
func (g *Guard) Exchange(w http.ResponseWriter, r *http.Request, s *v1alpha1.VDISession) error {
	raw := r.URL.Query().Get(QueryParameter)
	expires, err := g.verify(raw, s)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: g.cookieName(), Value: raw, Path: "/", Expires: expires,
		// Lax, not Strict: the redirect below belongs to a navigation that may have
		// begun on another site, such as a mail or a portal.
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	to := *r.URL
	StripQuery(&to)
	// Relative to the host, whatever the path: "//evil.example/" must not become
	// another host.
	w.Header().Set("Location", "/"+strings.TrimLeft(to.RequestURI(), "/\\"))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// SameOrigin says that a request which a browser marked with an origin comes from
// the session's own pages. Sessions of one domain are one site for cookies, so the
// cookie alone does not keep one desktop from driving another.
func SameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func (g *Guard) verify(raw string, s *v1alpha1.VDISession) (time.Time, error) {
	if raw == "" {
		return time.Time{}, ErrNoToken
	}
	sub, expires, err := g.verifier.Verify(token.AudienceSession, raw, g.now())
	if err != nil {
		return time.Time{}, err
	}
	return expires, sub.Opens(s)
}

func (g *Guard) rawToken(r *http.Request) string {
	if c, err := r.Cookie(g.cookieName()); err == nil {
		return c.Value
	}
	if h := r.Header.Get("Authorization"); strings.HasPrefix(h, bearer) {
		return strings.TrimPrefix(h, bearer)
	}
	return ""
}

func (g *Guard) cookieName() string {
	if g.secure {
		return secureCookie
	}
	return plainCookie
}
