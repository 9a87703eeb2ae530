package activator

import "net/http"

// serve serves a request that was checked and understood.
func (s *Server) serve(w http.ResponseWriter, q understood) {
	r, v := q.Request, q.visitor
	switch v.wants {
	case wantsPage, wantsRefresh:
		s.servePage(w, r, v)
	case wantsFrame:
		s.serveFrame(w, r, v)
	case wantsSocket:
		if s.admitsUser(w, v) {
			s.serveWebSocket(w, r, v)
		}
	case wantsTURN:
		s.TURN.Serve(w, v.session)
	case wantsMode:
		s.serveMode(w, r, v)
	case wantsWorker:
		s.serveWorker(w, r, v)
	case wantsStatus:
		s.serveStatus(w, r, v)
	case wantsEvents:
		s.serveEvents(w, r, v)
	case wantsActivity:
		s.serveActivity(w, r, v)
	case wantsWake:
		s.serveWake(w, r, v)
	case wantsTake:
		s.serveTake(w, r, v)
	case wantsNothing:
		http.NotFound(w, r)
	case wantsAnything:
		s.serveRequest(w, r, v)
	}
}
