package activator

import (
	"net/http"
	"strconv"

	"github.com/org/vdi-operator/activator/signaling"
)

// asksMode says that a request asks which mode a desktop is in that has several. Its
// client does not wait for long, and takes another one then.
func (s *Server) asksMode(r *http.Request, v visitor) bool {
	return r.Method == http.MethodGet && signaling.AsksMode(streaming(v.session).Protocol, r.URL.Path)
}

// serveMode answers for a desktop that is not there yet, if its mode is known. One that is
// there answers for itself.
func (s *Server) serveMode(w http.ResponseWriter, r *http.Request, v visitor) {
	view, ok := s.early(r.Context(), v)
	if !ok {
		s.serveRequest(w, r, v)
		return
	}
	answer := signaling.ModeAnswer(protocolOf(view.Session))
	if answer == nil {
		s.serveRequest(w, r, v)
		return
	}
	defer s.Tracker.Enter(v.session).Leave()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer)
}
