package portal

import (
	"net/http"
	"strings"

	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/portal/text"
)

// signOut ends a sign-in, here and at the provider where it offers that.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	v, _ := VisitorOf(r.Context())
	if err := s.SignIns.End(r.Context(), v.SignIn); err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.cookie.clear(w)
	s.Audit.Event(audit.Event{Event: audit.SignOut, User: v.User, Via: audit.ViaSignIn, From: Address(r), Reason: "signed_out"})
	if at, ok := s.Provider.EndSession(s.SignIns.IDToken(v.in), s.origin+signedOutPath); ok {
		s.redirect(w, at)
		return
	}
	s.redirect(w, signedOutPath)
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) {
	say := text.Of(r)
	s.show(w, r, http.StatusOK, notice{Tongue: say, Title: say.Say("signedOut.title"), Text: say.Say("signedOut.text"),
		Link: "/", LinkText: say.Say("signedOut.again")})
}

// backChannel ends what the provider says has ended.
func (s *Server) backChannel(w http.ResponseWriter, r *http.Request) {
	if wait := s.comeback.Take(Address(r), s.Now()); wait > 0 {
		s.refuse(w, r, tooMany)
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		s.notSignedIn(w, r, errQuery)
		return
	}
	l, err := s.Provider.Logout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		s.notSignedIn(w, r, err)
		return
	}
	ended, err := s.SignIns.EndOf(r.Context(), l)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.Log.Info("the identity provider ended sign-ins", "signIns", ended)
	w.WriteHeader(http.StatusOK)
}
