package activator

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/portal"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// knownWithin is how long a sign-in that the portal has just named may take to come by the
	// watch.
	knownWithin = 2 * time.Second
	// longestWay is the longest path of a session that a hand-over leads to, in bytes.
	longestWay = 2048
	// portalStreams is longer than the portal's streams of events, which it ends by itself.
	portalStreams = time.Minute + 10*time.Second
)

// signsIn says that people sign in at the portal.
func (s *Server) signsIn() bool { return s.Config.Auth.OIDC != nil && s.Config.Portal != nil }

// toSignIn sends a person who opens a session's address to the portal, which sends them back;
// false where that would not help, or no person asks.
func (s *Server) toSignIn(w http.ResponseWriter, at addressed, why error) bool {
	r := at.Request
	document, _ := page.Document(r)
	if !s.signsIn() || r.Method != http.MethodGet || document != page.Top && document != page.Refresh || speculative(r) ||
		errors.Is(why, auth.ErrShareEnded) || errors.Is(why, auth.ErrNotShared) {
		return false
	}
	hash := s.Guard.MarkBrowser(w, r, at.face)
	to := page.Unmarked(r.URL)
	auth.StripQuery(to)
	way := (&url.URL{Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}).RequestURI()
	if len(way) > longestWay {
		way = "/"
	}
	// As the address has them, whether that is a session's or not.
	namespace, name, _ := s.Config.URL.Parts(at.address)
	seeOther(w, portal.Open(s.Config, namespace, name, hash, way))
	return true
}

func seeOther(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// atDoor serves what somebody may ask for who was not let in yet; false where it is something
// else.
func (s *Server) atDoor(w http.ResponseWriter, at addressed) bool {
	if !s.signsIn() {
		return false
	}
	switch at.URL.Path {
	case page.EnterPath:
		s.enter(w, at)
	case page.SignOutPath:
		s.signOut(w, at)
	default:
		return false
	}
	return true
}

// signOut drops the browser's cookie of this session, and leads to the portal, where a person
// signs out of the others.
func (s *Server) signOut(w http.ResponseWriter, at addressed) {
	switch {
	case at.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "ask for this with POST", http.StatusMethodNotAllowed)
	case !s.Guard.SameOrigin(at.Request):
		s.refuseVisitor(w, closing.ForeignOrigin)
	default:
		s.Guard.SignOut(w, at.face)
		seeOther(w, portal.Origin(s.Config)+"/")
	}
}

// enter lets in a browser that the portal has handed over.
func (s *Server) enter(w http.ResponseWriter, at addressed) {
	r := at.Request
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "ask for this with GET", http.StatusMethodNotAllowed)
		return
	case !s.Guard.SameOrigin(r):
		s.refuseVisitor(w, closing.ForeignOrigin)
		return
	case speculative(r):
		s.refuseVisitor(w, closing.Speculative)
		return
	case !s.admitsStranger(w, r):
		return
	}
	code, browser, refusal := s.brought(r)
	var answer portal.Answer
	if refusal == nil {
		if !s.admitsCode(w, r) {
			return
		}
		answer, refusal = s.redeem(r, at, code, browser)
	}
	switch {
	case refusal == closing.PortalAway:
		s.count(refusal.Ending())
		portal.WriteAway(w, r)
		return
	case refusal == nil && at.nobodys():
		refusal = closing.HandOver // the portal has not let anybody in there
		fallthrough
	case refusal != nil:
		s.counts(r, 1)
		s.turnedAway(r, at.view.Session, refusal)
		s.refuseVisitor(w, refusal)
		return
	}
	if err := s.Guard.Enter(w, at.view.Session, at.face, answer.User, answer.SignIn); err != nil {
		s.Log.Error("a visit was not signed", "error", err)
		s.refuseVisitor(w, closing.HandOver)
		return
	}
	s.Guard.DropBrowser(w, at.face)
	s.Metrics.Visits.WithLabelValues(string(auth.BySignIn)).Inc()
	seeOther(w, at.face.Outside(wayTo(r.URL.Query().Get("to"))))
}

// brought is the code that a browser brings, with the hash of what it was given before.
func (s *Server) brought(r *http.Request) (code, browser string, refusal *closing.Refusal) {
	code = r.URL.Query().Get("code")
	browser, ok := s.Guard.Browser(r)
	switch {
	case !signin.IsSecret(code):
		return "", "", closing.HandOver
	case !ok:
		return "", "", closing.HandOverBrowser
	}
	return code, browser, nil
}

// redeem asks the portal about a code.
func (s *Server) redeem(r *http.Request, at addressed, code, browser string) (portal.Answer, *closing.Refusal) {
	of := token.For(at.view.Session)
	answer, err := s.redeemer.Redeem(r.Context(), portal.Question{Code: code, BrowserHash: browser,
		Namespace: of.Session.Namespace, Name: of.Session.Name, UID: of.UID})
	var refused *portal.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Reason == "browser":
		return portal.Answer{}, closing.HandOverBrowser
	case errors.As(err, &refused) && refused.Reason == "signed_out":
		return portal.Answer{}, closing.SignedOut
	case err == nil:
		ctx, cancel := context.WithTimeout(r.Context(), knownWithin)
		defer cancel()
		s.SignIns.Await(ctx, answer.SignIn)
		return answer, nil
	case refused == nil:
		s.Log.Warn("the portal did not redeem a code", "error", err)
		return portal.Answer{}, closing.PortalAway
	}
	return portal.Answer{}, closing.HandOver
}

// wayTo is the path of a session that a hand-over names; the root where it names none.
func wayTo(raw string) *url.URL {
	root := &url.URL{Path: "/"}
	if len(raw) > longestWay || !strings.HasPrefix(raw, "/") || strings.ContainsFunc(raw, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return root
	}
	u, err := url.ParseRequestURI(raw)
	if err != nil || u.Host != "" || u.Scheme != "" || u.User != nil {
		return root
	}
	return u
}

// servePortal passes a request on to the portal, within the bounds of a stranger's.
func (s *Server) servePortal(w http.ResponseWriter, r *http.Request) {
	end, err := s.requests.Acquire(s.askerOf(r))
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer end()
	c := http.NewResponseController(w)
	streams := &page.Changed{ResponseWriter: w, Change: func(h http.Header) {
		if strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
			_ = c.SetWriteDeadline(time.Now().Add(portalStreams))
		}
	}}
	s.portal.ServeHTTP(streams, r, func() { _ = c.SetReadDeadline(time.Time{}) })
}
