package activator

import (
	"errors"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
)

// check says whether the visitor may use the session; false when the request was answered,
// by a refusal or by the cookie exchange.
func (s *Server) check(w http.ResponseWriter, at addressed) bool {
	r, session := at.Request, at.view.Session
	if s.Guard.Link(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if err := s.Guard.Exchange(w, r, session); err != nil {
			s.refuseToken(w, err)
		}
		return false
	}
	if err := s.Guard.Check(r, session); err != nil {
		s.refuseToken(w, err)
		return false
	}
	if !s.Guard.SameOrigin(r) {
		s.refuse(w, metrics.RefusedForeignOrigin, page.ForeignOrigin)
		return false
	}
	return true
}

func (s *Server) refuse(w http.ResponseWriter, why metrics.Refusal, m page.Message) {
	s.Metrics.Refused(why)
	s.Log.Debug("refused a visitor", "reason", why)
	// A body that trickles in must not keep a stranger's connection, nor a stranger an
	// idle one.
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Config.Limits.HeaderTimeout.Duration))
	page.WriteMessage(w, m)
}

func (s *Server) refuseToken(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, auth.ErrNoToken):
		s.refuse(w, metrics.RefusedNoToken, page.NoToken)
	case errors.Is(err, token.ErrExpired):
		s.refuse(w, metrics.RefusedExpiredToken, page.Expired)
	case errors.Is(err, token.ErrForeign):
		s.refuse(w, metrics.RefusedForeignToken, page.Foreign)
	default:
		s.refuse(w, metrics.RefusedBadToken, page.BadToken)
	}
}
