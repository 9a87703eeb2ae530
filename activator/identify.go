package activator

import (
	"net/http"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/route"
)

// addressed is a request for a session's address, with the path that it would have at a
// host's root.
type addressed struct {
	*http.Request
	// view is the session when the request came: the directory is read once for it.
	view directory.View
	// face is how the visitor sees the session.
	face route.Face
}

// identify finds the session that a request is for; false when the request was answered.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (addressed, bool) {
	if isUpgrade(r) && !s.admitsAddress(w, r) {
		return addressed{}, false
	}
	place := s.routing.Of(r)
	view, ok := s.Directory.Find(place.Address)
	switch {
	case !ok && !isUpgrade(r) && s.redirect(w, s.routing.Meant(r, s.known)):
	case !ok:
		s.refuseVisitor(w, closing.UnknownHost)
	case place.Bare(r) && !isUpgrade(r):
		s.redirect(w, place.Outside(place.Inside(r).URL))
	default:
		return addressed{Request: place.Inside(r), view: view, face: place.Face}, true
	}
	return addressed{}, false
}

func (s *Server) known(address string) bool {
	_, ok := s.Directory.Find(address)
	return ok
}

// redirect sends the visitor to another path of this host, with the same method; false
// when there is none.
func (s *Server) redirect(w http.ResponseWriter, to string) bool {
	if to == "" {
		return false
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}
