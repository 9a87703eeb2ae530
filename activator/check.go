package activator

import (
	"errors"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/auth/issuers"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

// check finds out who visits and what they may do in the session; false when the request was
// answered, by a refusal, by the exchange of a link for a cookie or on the way to sign in.
func (s *Server) check(w http.ResponseWriter, at addressed) (v auth.Visitor, ok bool) {
	r, session := at.Request, at.view.Session
	// Before anything that counts against the visitor: another site's page may have made it.
	if !s.Guard.SameOrigin(r) {
		s.refuseVisitor(w, closing.ForeignOrigin)
		return v, false
	}
	v, known := s.Guard.Known(r, session)
	costs := 0
	if !known {
		costs = s.Guard.Costs(r)
	}
	if costs > 0 && !s.admitsStranger(w, r) {
		return v, false
	}
	if s.Guard.Link(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		s.exchange(w, at, func(err error) {
			s.counts(r, costs)
			s.turnedAway(r, session, refusalOf(err))
			s.refuseVisitor(w, refusalOf(err))
		})
		return v, false
	}
	if !known {
		var err error
		if v, err = s.Guard.Check(r, session); err != nil {
			s.counts(r, costs) // whoever is sent to sign in may have guessed, too
			s.turnedAway(r, session, refusalOf(err))
			if !s.toSignIn(w, at, err) {
				s.refuseVisitor(w, refusalOf(err))
			}
			return v, false
		}
	}
	if at.nobodys() {
		s.refuseVisitor(w, closing.UnknownHost) // nobody has a proof for it
		return v, false
	}
	// What runs may be loaded ahead by its own page.
	if !lifecycle.Runs(session) && speculative(r) {
		s.refuseVisitor(w, closing.Speculative)
		return v, false
	}
	return v, true
}

// exchange turns a link into a cookie, once a person has opened it. Some programs that check a
// link ask for its head only: that must not use it up.
func (s *Server) exchange(w http.ResponseWriter, at addressed, refuse func(error)) {
	r := at.Request
	if speculative(r) || s.Guard.ShareLink(r) && r.Method == http.MethodHead {
		s.refuseVisitor(w, closing.Speculative)
		return
	}
	by, err := s.Guard.Exchange(w, r, at.view.Session, at.face)
	if err != nil {
		if errors.Is(err, auth.ErrNotCounted) {
			s.Log.Warn("the use of a link was not counted", "error", err)
		}
		refuse(err)
		return
	}
	s.Metrics.Visits.WithLabelValues(string(by)).Inc()
}

// counts counts proofs that open nothing against whom they come from.
func (s *Server) counts(r *http.Request, n int) {
	client, ok := s.Proxies.Client(r)
	for range n {
		if ok {
			s.refusals.Take(listener.Network(client), time.Now())
		}
	}
}

func refusalOf(err error) *closing.Refusal {
	switch {
	case errors.Is(err, auth.ErrNoToken):
		return closing.NoToken
	case errors.Is(err, token.ErrExpired):
		return closing.ExpiredToken
	case errors.Is(err, token.ErrNotYet):
		return closing.NotYetToken
	case errors.Is(err, token.ErrForeign):
		return closing.ForeignToken
	case errors.Is(err, auth.ErrSignedOut):
		return closing.SignedOut
	case errors.Is(err, auth.ErrShareEnded):
		return closing.ShareEnded
	case errors.Is(err, auth.ErrNotShared):
		return closing.NotShared
	case errors.Is(err, auth.ErrLinksOff):
		return closing.LinksOff
	case errors.Is(err, auth.ErrShareRate):
		return closing.LinkRate
	case errors.Is(err, record.ErrUsedUp):
		return closing.LinkUsedUp
	case errors.Is(err, record.ErrGone):
		return closing.UnknownHost
	case errors.Is(err, issuers.ErrAway):
		return closing.IssuerAway
	case errors.Is(err, auth.ErrNotCounted):
		return closing.LinkNotCounted
	}
	return closing.BadToken
}
