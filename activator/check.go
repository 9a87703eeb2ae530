package activator

import (
	"errors"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/token"
)

// check says whether the visitor may use the session; false when the request was answered,
// by a refusal or by the cookie exchange.
func (s *Server) check(w http.ResponseWriter, at addressed) bool {
	r, session := at.Request, at.view.Session
	if !s.Guard.Known(r, session) && !s.admitsStranger(w, r) {
		return false
	}
	if s.Guard.Link(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if err := s.Guard.Exchange(w, r, session, at.face); err != nil {
			s.refuseToken(w, r, err)
		}
		return false
	}
	if err := s.Guard.Check(r, session); err != nil {
		s.refuseToken(w, r, err)
		return false
	}
	if !s.Guard.SameOrigin(r) {
		s.refuseVisitor(w, closing.ForeignOrigin)
		return false
	}
	return true
}

func (s *Server) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	if client, ok := s.Proxies.Client(r); ok {
		s.refusals.Take(listener.Network(client), time.Now())
	}
	switch {
	case errors.Is(err, auth.ErrNoToken):
		s.refuseVisitor(w, closing.NoToken)
	case errors.Is(err, token.ErrExpired):
		s.refuseVisitor(w, closing.ExpiredToken)
	case errors.Is(err, token.ErrNotYet):
		s.refuseVisitor(w, closing.NotYetToken)
	case errors.Is(err, token.ErrForeign):
		s.refuseVisitor(w, closing.ForeignToken)
	default:
		s.refuseVisitor(w, closing.BadToken)
	}
}
