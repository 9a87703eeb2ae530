package auth

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
)

// Way is how somebody has proved who they are.
type Way string

// The ways.
const (
	ByLink      Way = "link"
	ByShare     Way = "share"
	BySignIn    Way = "signin"
	ByForwarded Way = "forwarded"
	ByIssuer    Way = "issuer"
)

// Errors of Check and Holds beside those of package token; errors.Is distinguishes them.
var (
	// ErrSignedOut says that the sign-in has ended.
	ErrSignedOut = errors.New("signed out")
	// ErrShareEnded says that the share has.
	ErrShareEnded = errors.New("the share has ended")
	// ErrNotShared says that it is known who visits, and that the session is not theirs.
	ErrNotShared = errors.New("the session is not shared with this user")
	// ErrLinksOff says that the installation takes no links.
	ErrLinksOff = errors.New("links are switched off")
)

// Visitor is who visits a session, by what right, and what they may do there.
type Visitor struct {
	// User is who it is, as far as that is known.
	User  string
	By    Way
	Roles []access.Role

	grant visit.Grant
	// person is who it is where nothing but that is looked at.
	person access.Person
	// until ends a program's token; the zero time is nothing.
	until time.Time
	// cookie is what the browser showed, if it can be renewed.
	cookie *visit.Visit
}

// May says that the visitor may do it.
func (v Visitor) May(do access.Action) bool { return access.Allows(v.Roles, do) }

// Share is the name of the share whose link let the visitor in; empty where none did.
func (v Visitor) Share() string { return v.grant.Share }

// SignIn is the name of the sign-in that the visit rests on; empty where it rests on none.
func (v Visitor) SignIn() string { return v.grant.SignIn }

// Holds says what a visitor is to the session as both are now, or why they are nothing to it.
func (g *Guard) Holds(v Visitor, s *v1alpha1.VDISession, now time.Time) (roles []access.Role, err error) {
	switch v.By {
	case ByLink:
		return g.byLink(v, s, now)
	case ByShare:
		return g.byShare(v, s, now)
	case BySignIn:
		in := g.signIn(v.grant.SignIn)
		if !signin.Holds(in, now) || in.Spec.User != v.User {
			return nil, ErrSignedOut
		}
		roles = access.RolesOf(signin.Person(in), s, now)
	case ByForwarded, ByIssuer:
		if !v.until.IsZero() && !now.Before(v.until) {
			return nil, token.ErrExpired
		}
		roles = access.RolesOf(v.person, s, now)
	}
	if !access.Allows(roles, access.See) {
		return nil, ErrNotShared
	}
	return roles, nil
}

func (g *Guard) byLink(v Visitor, s *v1alpha1.VDISession, now time.Time) ([]access.Role, error) {
	switch {
	case !g.links:
		return nil, ErrLinksOff
	case !now.Before(v.grant.Link):
		return nil, token.ErrExpired
	case !g.verifier.Takes(v.grant.Key, now):
		return nil, token.ErrMalformed
	case v.User != s.Spec.User:
		return nil, token.ErrForeign
	}
	return []access.Role{access.Owner}, nil
}

func (g *Guard) byShare(v Visitor, s *v1alpha1.VDISession, now time.Time) ([]access.Role, error) {
	if !g.links {
		return nil, ErrLinksOff
	}
	share := linkOf(s, v.grant.Share)
	if share == nil || shortened(share.Link.SecretHash) != v.grant.Secret || !access.Holds(share, now) {
		return nil, ErrShareEnded
	}
	return []access.Role{access.Role(share.Role)}, nil
}

func (g *Guard) signIn(name string) *v1alpha1.VDISignIn {
	if g.signIns == nil {
		return nil
	}
	return g.signIns.Get(name)
}

// settled is a visitor with the roles that they have now.
func (g *Guard) settled(v Visitor, s *v1alpha1.VDISession) (Visitor, error) {
	roles, err := g.Holds(v, s, g.now())
	v.Roles = roles
	return v, err
}

// byCookie is who shows a visit.
func (g *Guard) byCookie(c visit.Visit, s *v1alpha1.VDISession) (Visitor, error) {
	if at := token.For(s); c.Session != at.Session || c.UID != at.UID {
		return Visitor{}, token.ErrForeign
	}
	v := Visitor{User: c.User, By: BySignIn, grant: c.Grant, cookie: &c}
	switch {
	case c.Grant.Share != "":
		v.By = ByShare
	case !c.Grant.Link.IsZero():
		v.By = ByLink
	}
	return g.settled(v, s)
}

// Enter lets in a browser whose user the portal has named, with a cookie.
func (g *Guard) Enter(w http.ResponseWriter, s *v1alpha1.VDISession, face route.Face, user, signIn string) error {
	return g.letIn(w, s, face, user, visit.Grant{SignIn: signIn})
}

func (g *Guard) letIn(w http.ResponseWriter, s *v1alpha1.VDISession, face route.Face, user string, grant visit.Grant) error {
	of := token.For(s)
	raw, err := g.visits.Sign(visit.Visit{User: user, Session: of.Session, UID: of.UID, Grant: grant}, g.now())
	if err != nil {
		return err
	}
	http.SetCookie(w, g.cookie(g.cookieName(), raw, face, grant.Lives(g.now())))
	return nil
}

// Renewal is the cookie that takes the place of the visitor's; nil while that is young.
func (g *Guard) Renewal(v Visitor, face route.Face) *http.Cookie {
	if v.cookie == nil || !v.cookie.Ages(g.now()) {
		return nil
	}
	raw, err := g.visits.Sign(*v.cookie, g.now())
	if err != nil {
		return nil // it was good a moment ago; the next answer is another chance
	}
	return g.cookie(g.cookieName(), raw, face, v.cookie.Grant.Lives(g.now()))
}

// SignOut drops the browser's cookies of the session.
func (g *Guard) SignOut(w http.ResponseWriter, face route.Face) {
	for _, name := range []string{g.cookieName(), g.browserName()} {
		http.SetCookie(w, g.cookie(name, "", face, -1))
	}
}

// cookie is one for the session's address alone, for as long as that.
func (g *Guard) cookie(name, value string, face route.Face, lives time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: face.Base(), MaxAge: int(lives.Seconds()),
		// Lax, not Strict: the navigation that brings it may have begun on another site, such as
		// a mail or the portal.
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
	}
	if lives < 0 {
		c.MaxAge = -1
	}
	return c
}

// linkOf is the session's share of that name that has a link; nil where there is none.
func linkOf(s *v1alpha1.VDISession, name string) *v1alpha1.Share {
	at := slices.IndexFunc(s.Spec.Shares, func(share v1alpha1.Share) bool { return share.Name == name && share.Link != nil })
	if at < 0 {
		return nil
	}
	return &s.Spec.Shares[at]
}

// shortened is the beginning of a secret's hash, which tells shares of one name apart.
func shortened(hash string) string { return hash[:min(len(hash), 16)] }
