package portal

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/portal/signins"
	"github.com/org/vdi-operator/pkg/signin"
)

// Visitor is somebody who has signed in.
type Visitor struct {
	access.Person
	// SignIn is the name of the VDISignIn.
	SignIn string
	// CSRF is what the visitor's forms have in the field FormToken.
	CSRF string

	in *v1alpha1.VDISignIn
}

// FormToken is the field of a form with a visitor's CSRF.
const FormToken = "csrf"

type visitorKey struct{}

// VisitorOf is whose request it is.
func VisitorOf(ctx context.Context) (Visitor, bool) {
	v, ok := ctx.Value(visitorKey{}).(Visitor)
	return v, ok
}

// visited serves those who have signed in: others are sent to sign in where they navigate,
// and refused otherwise. What changes something is taken from pages of the portal alone.
func (s *Server) visited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visitor(r)
		switch {
		case errors.Is(err, signins.ErrSignedOut) && navigates(r):
			s.redirect(w, signInPath+"?to="+url.QueryEscape(destination(r.URL.RequestURI())))
			return
		case errors.Is(err, signins.ErrSignedOut):
			s.refuse(w, r, signedOut)
			return
		case errors.Is(err, errTooMany):
			s.refuse(w, r, tooMany)
			return
		case err != nil:
			s.unavailable(w, r, err)
			return
		case !safe(r) && !s.ours(r, v):
			s.refuse(w, r, foreign)
			return
		case (!safe(r) || strings.HasPrefix(r.URL.Path, openPath)) && s.changes.Take(v.User, s.Now()) > 0:
			s.refuse(w, r, tooManyChanges)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

var errTooMany = errors.New("too many unknown cookies")

// visitor is whose request it is, signins.ErrSignedOut for nobody's.
func (s *Server) visitor(r *http.Request) (Visitor, error) {
	secret, ok := s.cookie.read(r)
	if !ok {
		return Visitor{}, signins.ErrSignedOut
	}
	if !s.SignIns.Known(r.Context(), secret) && s.lookups.Take(Address(r), s.Now()) > 0 {
		return Visitor{}, errTooMany
	}
	in, err := s.SignIns.Find(r.Context(), secret)
	if err != nil {
		return Visitor{}, err
	}
	return Visitor{Person: signin.Person(in), SignIn: in.Name, CSRF: s.Box.Sign(csrfOf + in.Name), in: in}, nil
}

const csrfOf = "forms of "

// navigates says that a person opens an address: everything else is answered, and not sent
// elsewhere.
func navigates(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && r.Header.Get("Sec-Purpose") == ""
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func safe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// ours says that a page of the portal made the request, for this visitor.
func (s *Server) ours(r *http.Request, v Visitor) bool {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin":
	default:
		return false
	}
	// A page that names itself to nobody says null.
	if origin := r.Header.Get("Origin"); origin != "" && origin != s.origin && (origin != "null" || r.Header.Get("Sec-Fetch-Site") == "") {
		return false
	}
	return s.Box.Signed(r.PostFormValue(FormToken), csrfOf+v.SignIn)
}

// Address is where a request comes from, as the activator says; an IPv6 network
// counts as one.
func Address(r *http.Request) string {
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	if a, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
		return listener.Network(a.Unmap().WithZone("")).String()
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return listener.Network(peer.Addr().Unmap().WithZone("")).String()
	}
	return ""
}
