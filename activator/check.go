package activator

import (
	"errors"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

// check says whether the visitor may use the session; false when the request was answered,
// by a refusal or by the cookie exchange.
func (s *Server) check(w http.ResponseWriter, at addressed) bool {
	r, session := at.Request, at.view.Session
	// Before anything that counts against the visitor: another site's page may have made it.
	if !s.Guard.SameOrigin(r) {
		s.refuseVisitor(w, closing.ForeignOrigin)
		return false
	}
	known, costs := s.Guard.Known(r, session), 0
	if !known {
		costs = s.Guard.Costs(r)
	}
	if costs > 0 && !s.admitsStranger(w, r) {
		return false
	}
	refuse := func(err error) {
		if client, ok := s.Proxies.Client(r); ok {
			for range costs {
				s.refusals.Take(listener.Network(client), time.Now())
			}
		}
		s.refuseVisitor(w, refusalOf(err))
	}
	if s.Guard.Link(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if speculative(r) {
			s.refuseVisitor(w, closing.Speculative)
		} else if err := s.Guard.Exchange(w, r, session, at.face); err != nil {
			refuse(err)
		}
		return false
	}
	if !known {
		if err := s.Guard.Check(r, session); err != nil {
			refuse(err)
			return false
		}
	}
	// What is awake may be loaded ahead by its own page.
	if !lifecycle.Awake(session) && speculative(r) {
		s.refuseVisitor(w, closing.Speculative)
		return false
	}
	return true
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
	}
	return closing.BadToken
}
