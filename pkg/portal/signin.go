package portal

import (
	"errors"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/portal/attempt"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/signins"
)

// signIn sends a browser to the identity provider, or on where somebody has signed in.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	to := destination(r.URL.Query().Get("to"))
	if _, err := s.visitor(r); err == nil {
		s.redirect(w, to)
		return
	}
	if wait := s.starts.Take(Address(r), s.Now()); wait > 0 {
		s.crowded(w, r)
		return
	}
	a := attempt.New(s.Config.Auth.OIDC.Issuer, oauth2.GenerateVerifier(), to, s.Now())
	at, err := s.Provider.Start(a.State, a.Nonce, a.Verifier)
	if err != nil {
		s.refuse(w, r, providerAway)
		return
	}
	s.attempts.Put(w, r, a)
	s.redirect(w, at)
}

// crowded refuses somebody of an address that signs in too often, which the audit hears now and
// then.
func (s *Server) crowded(w http.ResponseWriter, r *http.Request) {
	if s.crowds.Take(Address(r), s.Now()) <= 0 {
		s.Audit.Event(audit.Event{Event: audit.SignInRefused, Via: audit.ViaSignIn, From: Address(r), Reason: tooMany.Reason})
	}
	s.refuse(w, r, tooMany)
}

// callback takes the provider's answer from the browser that was sent there.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	if wait := s.comeback.Take(Address(r), s.Now()); wait > 0 {
		s.crowded(w, r)
		return
	}
	a, id, err := s.answer(w, r)
	if err != nil {
		s.notSignedIn(w, r, err)
		return
	}
	secret, err := s.SignIns.Begin(r.Context(), id)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.replace(r)
	s.cookie.set(w, secret, s.Config.Auth.OIDC.SignInFor.Duration)
	s.Metrics.SignedIn()
	s.Audit.Event(audit.Event{Event: audit.SignIn, User: id.User, Via: audit.ViaSignIn, From: Address(r)})
	s.redirect(w, destination(a.To))
}

// What can be wrong with an answer before the provider is asked.
var (
	errState = errors.New("this browser has no such sign-in under way")
	errQuery = errors.New("the answer is not one of an identity provider")
)

// maxCode is longer than any good code or state.
const maxCode = 4 << 10

// answer checks the provider's answer, in this order: that this browser asked, whose answer it
// is, and what it says.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (attempt.Attempt, provider.Identity, error) {
	q, err := parseAnswer(r.URL.RawQuery)
	if err != nil {
		return attempt.Attempt{}, provider.Identity{}, err
	}
	a, ok := s.attempts.Take(w, r, q.state, s.Now())
	switch {
	case !ok:
		return a, provider.Identity{}, errState
	case a.Issuer != s.Config.Auth.OIDC.Issuer:
		return a, provider.Identity{}, provider.ErrIssuer
	}
	if err := s.Provider.Answered(q.issuer); err != nil {
		return a, provider.Identity{}, err
	}
	if q.fault != "" {
		return a, provider.Identity{}, provider.Refused(q.fault)
	}
	id, err := s.Provider.Exchange(r.Context(), q.code, a.Verifier, a.Nonce)
	return a, id, err
}

// answered is the query of a callback.
type answered struct{ state, code, fault, issuer string }

// parseAnswer refuses what is not one answer: each parameter comes once, and there is a code
// or an error.
func parseAnswer(query string) (q answered, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return answered{}, errQuery
	}
	for name, into := range map[string]*string{"state": &q.state, "code": &q.code, "error": &q.fault, "iss": &q.issuer} {
		if len(values[name]) > 1 || len(values.Get(name)) > maxCode {
			return answered{}, errQuery
		}
		*into = values.Get(name)
	}
	if q.state == "" || (q.code == "") == (q.fault == "") {
		return answered{}, errQuery
	}
	return q, nil
}

// replace ends the sign-in that the browser had: its secret is forgotten with the new cookie.
func (s *Server) replace(r *http.Request) {
	v, err := s.visitor(r)
	if err != nil {
		return
	}
	if err := s.SignIns.End(r.Context(), v.SignIn); err != nil {
		s.Log.Warn("a sign-in that was replaced cannot be deleted", "signIn", v.SignIn, "error", err)
	}
}

// reasons are what a visitor is told for what was wrong.
var reasons = []struct {
	is  error
	say *refusal
}{
	{errQuery, badAnswer}, {errState, badState}, {provider.ErrIssuer, badIssuer}, {provider.ErrAway, providerAway}, {provider.ErrEnded, providerRefused},
	{provider.ErrNotAllowed, notAllowed}, {provider.ErrClaims, badClaims}, {provider.ErrToken, badToken}, {signins.ErrSignedOut, signedOut},
}

func (s *Server) notSignedIn(w http.ResponseWriter, r *http.Request, err error) {
	for _, one := range reasons {
		if errors.Is(err, one.is) {
			// The log has what is wrong, for who mends it.
			s.Log.Info("somebody could not sign in", "reason", one.say.Reason, "error", err, "from", Address(r))
			s.Audit.Event(audit.Event{Event: audit.SignInRefused, Via: audit.ViaSignIn, From: Address(r), Reason: one.say.Reason})
			s.refuse(w, r, one.say)
			return
		}
	}
	s.unavailable(w, r, err)
}
