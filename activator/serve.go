package activator

import (
	"net/http"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/pageapi"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// serve serves a request that was checked and understood.
func (s *Server) serve(w http.ResponseWriter, q understood) {
	r, v := q.Request, q.visitor
	for _, refuse := range []func(*http.Request, visitor) *closing.Refusal{refuseViewer, refuseByPolicy} {
		if why := refuse(r, v); why != nil {
			s.turnDown(w, v, s.from(r), why)
			return
		}
	}
	switch v.wants {
	case wantsPage, wantsRefresh:
		if lifecycle.PoweredOff(v.Session) {
			s.refuseVisitor(w, closing.PoweredOff)
			return
		}
		s.countVisit(v)
		s.pages.ServePage(w, r, pageapi.Visitor{View: v.View, Face: v.face, Who: v.who, From: s.from(r)}, v.wants == wantsPage, v.marked)
	case wantsFrame:
		s.serveFrame(w, r, v)
	case wantsSocket:
		if s.admitsUser(w, v) {
			s.countVisit(v)
			s.serveWebSocket(w, r, v)
		}
	case wantsTURN:
		s.TURN.Serve(w, v.Session)
	case wantsMode:
		s.serveMode(w, r, v)
	case wantsWorker:
		s.serveWorker(w, r, v)
	case wantsOurs:
		if r.URL.Path == page.EventsPath { // which has a place among the pages
			defer s.unhurried(w)()
		}
		s.serveOurs(w, r, v)
	case wantsAnything:
		s.serveRequest(w, r, v)
	}
}
