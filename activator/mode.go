package activator

import (
	"net/http"
	"strconv"

	"github.com/org/vdi-operator/activator/signaling"
)

// serveMode answers for a desktop that is not there yet, if its mode is known. One that is
// there answers for itself.
func (s *Server) serveMode(w http.ResponseWriter, r *http.Request, v visitor) {
	answer := signaling.ModeAnswer(v.Session.Protocol())
	if answer == nil || !wanted(v.Session) || !s.pending(r.Context(), v.View) {
		s.serveRequest(w, r, v)
		return
	}
	defer s.enterAs(v.who, v.Session, s.from(r)).Leave()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer)
}
