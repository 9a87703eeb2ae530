// Package auth finds out who visits a session and what they may do there: by a link, a cookie,
// an Authorization header, or the word of a proxy in front.
//
// A link is exchanged for a cookie and leaves the address bar. Nothing of either reaches a log
// or a desktop. What a cookie rests on, such as a sign-in or a share, is looked up anew on each
// request.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/signin"
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
	visits    *visit.Keys
	signIns   SignIns
	shares    Shares
	issuers   Issuers
	forwarded *forwarded
	// uses bounds how often the links of a session are opened.
	uses                  *limit.Rate[types.NamespacedName]
	links, secure, byPath bool
	now                   func() time.Time
}

// SignIns are who has signed in; see package signins.
type SignIns interface {
	Get(name string) *v1alpha1.VDISignIn
}

// Issuers check programs' bearer tokens; see package issuers.
type Issuers interface {
	// Issued says that a token claims to be one of an issuer's, Known that nothing has to be
	// computed for the answer.
	Issued(raw string) bool
	Known(raw string) bool
	// Check says whose a token is and when it ends, or an error of package token.
	Check(ctx context.Context, raw string, now time.Time) (user string, until time.Time, err error)
}

// Options are what a guard is made of.
type Options struct {
	// Verifier checks links' tokens, Visits signs and checks cookies.
	Verifier *token.Verifier
	Visits   *visit.Keys
	URL      config.URL
	Auth     config.Auth
	// Shares counts the uses of shares' links.
	Shares Shares
	// SignIns and Issuers are nil where there are none.
	SignIns SignIns
	Issuers Issuers
}

// NewGuard makes a guard.
func NewGuard(o Options) *Guard {
	return &Guard{verifier: o.Verifier, good: lru.New(maxKnown), bad: lru.New(maxKnown), visits: o.Visits, signIns: o.SignIns, shares: o.Shares,
		issuers: o.Issuers, forwarded: newForwarded(o.Auth.Forwarded), uses: limit.NewRate[types.NamespacedName](usesPerSecond, usesBurst),
		links: o.Auth.Links, secure: o.URL.Scheme == "https", byPath: o.URL.ByPath(), now: time.Now}
}

// Check returns who makes a request, by the first of its proofs that opens the session, or else
// what is wrong with the first: ErrNoToken or an error of this package or of package token.
func (g *Guard) Check(r *http.Request, s *v1alpha1.VDISession) (Visitor, error) {
	var first error
	for _, p := range g.proofs(r) {
		v, err := g.prove(r.Context(), p, s)
		if err == nil {
			return v, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return Visitor{}, ErrNoToken
	}
	return Visitor{}, first
}

// Known is Check by those proofs alone that need no costly cryptography.
func (g *Guard) Known(r *http.Request, s *v1alpha1.VDISession) (Visitor, bool) {
	for _, p := range g.proofs(r) {
		if g.costs(p) {
			continue
		}
		if v, err := g.prove(r.Context(), p, s); err == nil {
			return v, true
		}
	}
	return Visitor{}, false
}

// Link says that the request carries a link in its query.
func (g *Guard) Link(r *http.Request) bool {
	return r.URL.RawQuery != "" && (r.URL.Query().Has(QueryParameter) || g.ShareLink(r))
}

// ShareLink says that it is a share's.
func (g *Guard) ShareLink(r *http.Request) bool { return r.URL.Query().Has(signin.ShareParameter) }

// Exchange turns a link into a cookie for the session's address and sends the browser to the
// same address without it. The request is as the session's desktop would see it, and the
// browser sees the session by face.
func (g *Guard) Exchange(w http.ResponseWriter, r *http.Request, s *v1alpha1.VDISession, face route.Face) (Way, error) {
	by, exchange := ByLink, g.exchangeToken
	if !r.URL.Query().Has(QueryParameter) {
		by, exchange = ByShare, g.exchangeShare
	}
	if err := exchange(w, r, s, face); err != nil {
		return by, err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	to := *r.URL
	StripQuery(&to)
	w.Header().Set("Location", face.Outside(&to))
	w.WriteHeader(http.StatusSeeOther)
	return by, nil
}

func (g *Guard) exchangeToken(w http.ResponseWriter, r *http.Request, s *v1alpha1.VDISession, face route.Face) error {
	v, err := g.byToken(r.URL.Query().Get(QueryParameter), s)
	if err != nil {
		return err
	}
	return g.letIn(w, s, face, v.User, v.grant)
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

// Costs is how many of the request's proofs were not checked before and need cryptography, or
// may be guesses.
func (g *Guard) Costs(r *http.Request) (n int) {
	proofs := g.proofs(r)
	if g.Link(r) {
		if raw := r.URL.Query().Get(QueryParameter); raw != "" {
			proofs = append(proofs, proof{raw: raw, by: ByLink})
		}
		if g.ShareLink(r) {
			n++
		}
	}
	for _, p := range proofs {
		if g.costs(p) {
			n++
		}
	}
	return n
}

func (g *Guard) costs(p proof) bool {
	switch p.by {
	case ByForwarded:
		return false
	case ByIssuer:
		return !g.issuers.Known(p.raw)
	case BySignIn:
		if _, err := g.visits.Read(p.raw, g.now()); !errors.Is(err, visit.ErrNone) {
			return false
		}
	}
	_, known := g.recall(p.raw)
	return !known
}

// checked is what a token says, or what is wrong with it for good.
type checked struct {
	subject token.Subject
	expires time.Time
	fault   error
	// by is the verifier's generation then, and key the one that has signed it.
	by  uint64
	key string
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

// byToken is who shows the token of a link.
func (g *Guard) byToken(raw string, s *v1alpha1.VDISession) (Visitor, error) {
	if raw == "" {
		return Visitor{}, ErrNoToken
	}
	c, known := g.recall(raw)
	if !known {
		c.by = g.verifier.Generation()
		var is token.Verified
		is, c.fault = g.verifier.Check(token.AudienceSession, raw, time.Now())
		c.subject, c.expires, c.key = is.Subject, is.Expires, is.Key
		hash := sha256.Sum256([]byte(raw))
		switch {
		case c.fault == nil:
			g.good.Add(hash, c)
		case !errors.Is(c.fault, token.ErrNotYet): // for good
			g.bad.Add(hash, c)
		}
	}
	if c.fault != nil {
		return Visitor{}, c.fault
	}
	if err := c.subject.Opens(s); err != nil {
		return Visitor{}, err
	}
	return g.settled(Visitor{User: c.subject.User, By: ByLink, grant: visit.Grant{Link: c.expires, Key: c.key}}, s)
}

// proof is what a request shows of who makes it: raw where it is a token, as a cookie by
// BySignIn.
type proof struct {
	by     Way
	raw    string
	person access.Person
}

// prove says who shows a proof.
func (g *Guard) prove(ctx context.Context, p proof, s *v1alpha1.VDISession) (Visitor, error) {
	switch p.by {
	case ByForwarded:
		return g.settled(Visitor{User: p.person.User, By: ByForwarded, person: p.person}, s)
	case ByIssuer:
		user, until, err := g.issuers.Check(ctx, p.raw, g.now())
		if err != nil {
			return Visitor{}, err
		}
		return g.settled(Visitor{User: user, By: ByIssuer, person: access.Person{User: user}, until: until}, s)
	case BySignIn:
		switch c, err := g.visits.Read(p.raw, g.now()); {
		case err == nil:
			return g.byCookie(c, s)
		case errors.Is(err, visit.ErrExpired):
			return Visitor{}, token.ErrExpired
		}
		// A cookie of before there were visits is the link's token itself.
	}
	return g.byToken(p.raw, s)
}

func (g *Guard) proofs(r *http.Request) (all []proof) {
	if p, ok := g.forwarded.person(r); ok {
		all = append(all, proof{by: ByForwarded, person: p})
	}
	// There can be more than one where a plain cookie is used: another host of the domain
	// may set its own for all of them, and must not lock a visitor out by it. Their number
	// is bounded by the length of a request's head, which has room for thousands.
	once := map[string]bool{"": true}
	for _, c := range r.CookiesNamed(g.cookieName()) {
		if !once[c.Value] {
			once[c.Value] = true
			all = append(all, proof{by: BySignIn, raw: c.Value})
		}
	}
	if raw, ok := bearer(r.Header); ok {
		p := proof{by: ByLink, raw: raw}
		if g.issuers != nil && g.issuers.Issued(raw) {
			p.by = ByIssuer
		}
		all = append(all, p)
	}
	return all
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
	case g.byPath:
		return folderCookie
	}
	return secureCookie
}
