package activator

import (
	"net/http"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// addressed is a request for a session's address, with the path that it would have at a
// host's root.
type addressed struct {
	*http.Request
	// address is the session's; see route.Place.
	address string
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
	if !ok {
		view, ok = s.nobodys(place.Address)
	}
	switch {
	case !ok && !isUpgrade(r) && s.redirect(w, s.routing.Meant(r, s.known)):
	case !ok:
		s.refuseVisitor(w, closing.UnknownHost)
	case place.Bare(r) && !isUpgrade(r):
		s.redirect(w, place.Outside(place.Inside(r).URL))
	default:
		return addressed{Request: place.Inside(r), address: place.Address, view: view, face: place.Face}, true
	}
	return addressed{}, false
}

// nobodysUID is the UID of a session that is not there.
const nobodysUID = "none"

// nobodys stands for the session of an address that no session has. Where people sign in,
// strangers are told no difference: nobody is let into it, and who has signed in hears from the
// portal that there is none.
func (s *Server) nobodys(address string) (view directory.View, ok bool) {
	namespace, name, ok := s.Config.URL.Parts(address)
	if !ok || !s.signsIn() {
		return directory.View{}, false
	}
	session := &v1alpha1.VDISession{}
	session.Namespace, session.Name, session.UID = namespace, name, nobodysUID
	return directory.View{Session: session}, true
}

// nobodys says that no session has the address.
func (a addressed) nobodys() bool { return a.view.Session.UID == nobodysUID }

// known says that a session has the address, or that nobody is told that none has.
func (s *Server) known(address string) bool {
	_, ok := s.Directory.Find(address)
	if !ok {
		_, ok = s.nobodys(address)
	}
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
