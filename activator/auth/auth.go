// Package auth finds out who visits a session: it takes the token from a link, a
// cookie or an Authorization header and checks that it opens this session.
//
// A link's token is exchanged for a cookie and leaves the address bar. Nothing of
// it reaches a log or a desktop.
package auth

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

// QueryParameter carries a link's token. It is not "token": Selkies 2 uses that.
const QueryParameter = "vdi_token"

// The cookie's names. The prefix __Host- makes browsers insist on Secure, on the
// path / and on this very host; where sessions are folders of one host it cannot be,
// since a session's cookie is for its folder only, and __Secure- insists on Secure.
const (
	secureCookie = "__Host-vdi-session"
	folderCookie = "__Secure-vdi-session"
	plainCookie  = "vdi-session"
)

// ErrNoToken says that the visitor showed none.
var ErrNoToken = errors.New("no token")

// maxKnown bounds the tokens that are known to be good, some 300 bytes each. The longest
// unused is forgotten first, and checked again when it comes.
const maxKnown = 1 << 12

// Guard checks visitors.
type Guard struct {
	verifier *token.Verifier
	// good and bad are tokens that were checked, by their hash: bad ones, which anybody can
	// make, must not crowd out the good. Of a good one there are two forms at most.
	good, bad *lru.Cache
	url       config.URL
	secure    bool
}

// NewGuard makes a guard of sessions at such addresses.
func NewGuard(v *token.Verifier, u config.URL) *Guard {
	return &Guard{verifier: v, good: lru.New(maxKnown), bad: lru.New(maxKnown), url: u, secure: u.Scheme == "https"}
}

// Check returns nil when one of the request's tokens opens the session, or else what
// is wrong with the first: ErrNoToken or an error of package token.
func (g *Guard) Check(r *http.Request, s *v1alpha1.VDISession) error {
	var first error
	for _, raw := range g.tokens(r) {
		_, err := g.verify(raw, s)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return ErrNoToken
	}
	return first
}

// Link says that the request carries a link's token in its query.
func (g *Guard) Link(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Has(QueryParameter)
}

// Exchange turns a link's token into a cookie for the session's address and sends the
// browser to the same address without it. The request is as the session's desktop would
// see it, and the browser sees the session by face.
func (g *Guard) Exchange(w http.ResponseWriter, r *http.Request, s *v1alpha1.VDISession, face route.Face) error {
	raw := r.URL.Query().Get(QueryParameter)
	expires, err := g.verify(raw, s)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: g.cookieName(), Value: raw, Path: face.Base(), Expires: expires,
		// Lax, not Strict: the redirect below belongs to a navigation that may have
		// begun on another site, such as a mail or a portal.
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	to := *r.URL
	StripQuery(&to)
	w.Header().Set("Location", face.Outside(&to))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// SameOrigin says that no other site's page made the request, as far as browsers
// say: it comes from the session's own pages, or from a person who opened the
// address. Sessions of one domain are one site for cookies, so the cookie alone does
// not keep one desktop's pages from driving, framing or waking another desktop. Where
// sessions are folders of one host they share its origin, and nothing that a browser
// says keeps their pages apart.
func (g *Guard) SameOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	switch origin := r.Header.Get("Origin"); {
	case origin == "null" && site == "same-origin":
		return true // a form of a page that names itself to nobody; scripts cannot say this
	case origin != "":
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && route.Host(u.Host, u.Scheme) == route.Host(r.Host, u.Scheme) && (u.Scheme == "https" || !g.secure)
	}
	// Requests without an origin: loading an image, a frame or a page.
	switch site {
	case "same-site", "cross-site":
		return r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	return true
}

// Known says that one of the request's tokens is known to open the session.
func (g *Guard) Known(r *http.Request, s *v1alpha1.VDISession) bool {
	return slices.ContainsFunc(g.tokens(r), func(raw string) bool {
		c, is := g.recall(raw)
		return is && c.fault == nil && c.subject.Opens(s) == nil
	})
}

// Costs is how many of the request's tokens were not checked before, and need cryptography.
func (g *Guard) Costs(r *http.Request) (n int) {
	raw := g.tokens(r)
	if g.Link(r) {
		raw = append(raw, r.URL.Query().Get(QueryParameter))
	}
	for _, one := range raw {
		if _, known := g.recall(one); !known && one != "" {
			n++
		}
	}
	return n
}

// checked is what a token says, or what is wrong with it for good.
type checked struct {
	subject token.Subject
	expires time.Time
	fault   error
	// by is the verifier's generation then.
	by uint64
}

// recall is what is known of a token that was checked before.
func (g *Guard) recall(raw string) (c checked, known bool) {
	hash, now := sha256.Sum256([]byte(raw)), g.verifier.Generation()
	if was, is := g.bad.Get(hash); is && was.(checked).by == now {
		return was.(checked), true
	}
	was, is := g.good.Get(hash)
	if !is || was.(checked).by != now {
		return checked{}, false
	}
	if c = was.(checked); !time.Now().Before(c.expires) {
		c.fault = token.ErrExpired
	}
	return c, true
}

func (g *Guard) verify(raw string, s *v1alpha1.VDISession) (time.Time, error) {
	if raw == "" {
		return time.Time{}, ErrNoToken
	}
	c, known := g.recall(raw)
	if !known {
		c.by = g.verifier.Generation()
		c.subject, c.expires, c.fault = g.verifier.Verify(token.AudienceSession, raw, time.Now())
		hash := sha256.Sum256([]byte(raw))
		switch {
		case c.fault == nil:
			g.good.Add(hash, c)
		case !errors.Is(c.fault, token.ErrNotYet): // for good
			g.bad.Add(hash, c)
		}
	}
	if c.fault != nil {
		return time.Time{}, c.fault
	}
	return c.expires, c.subject.Opens(s)
}

func (g *Guard) tokens(r *http.Request) []string {
	var raw []string
	// There can be more than one where a plain cookie is used: another host of the domain
	// may set its own for all of them, and must not lock a visitor out by it. Their number
	// is bounded by the length of a request's head, which has room for thousands.
	once := map[string]bool{"": true}
	for _, c := range r.CookiesNamed(g.cookieName()) {
		if !once[c.Value] {
			once[c.Value] = true
			raw = append(raw, c.Value)
		}
	}
	if t, ok := bearer(r.Header); ok {
		raw = append(raw, t)
	}
	return raw
}

// bearer returns the token of an Authorization header of that scheme.
func bearer(h http.Header) (string, bool) {
	scheme, raw, ok := strings.Cut(h.Get("Authorization"), " ")
	raw = strings.TrimSpace(raw)
	return raw, ok && raw != "" && strings.EqualFold(scheme, "Bearer")
}

func (g *Guard) cookieName() string {
	switch {
	case !g.secure:
		return plainCookie
	case g.url.ByPath():
		return folderCookie
	}
	return secureCookie
}
