package activator

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/listener"
)

// How often WebSockets are opened is bounded by address and by user.
//
// It is the one thing that fails an upgrade while a desktop wakes. That is no
// contradiction to holding everything else: clients that wait a second or more between
// their attempts, as those of Selkies 2 and of linuxserver.io's images, stay far below
// these rates. The client of Selkies 1.6.2 does not wait: after any close it opens both of
// its sockets again at once (v1.6.2, webrtc.js:745-761). It is kept from storming by never
// being closed for what will pass: two of them at one desktop, each turned away while the
// other is there, opened 6 to 12 sockets a second. Now the page around the desktop lets
// one of them show it (see package viewer), and who is turned away all the same is held (see
// signaling.Patient). What still storms would cost a token's verification and a goroutine
// each time: it gets a time to come again.

// admitsAddress comes before anything is done for the visitor. Who comes by a trusted
// proxy that does not say for whom is many people, and is bounded by user only.
func (s *Server) admitsAddress(w http.ResponseWriter, r *http.Request) bool {
	client, ok := s.Proxies.Client(r)
	if !ok {
		return true
	}
	wait := s.networks.Take(listener.Network(client), time.Now())
	return s.admits(w, wait, closing.AddressRate)
}

// admitsStranger comes before a token is checked that is not known to be good: from an
// address with too many that were not, none is.
func (s *Server) admitsStranger(w http.ResponseWriter, r *http.Request) bool {
	client, ok := s.Proxies.Client(r)
	if !ok {
		return true
	}
	wait := s.refusals.Wait(listener.Network(client), time.Now())
	if wait > 0 {
		s.crowds(client, closing.RefusalRate)
	}
	return s.admits(w, wait, closing.RefusalRate)
}

// admitsCode comes before the portal is asked about a code that a browser brings, which may be
// made up.
func (s *Server) admitsCode(w http.ResponseWriter, r *http.Request) bool {
	now, why := time.Now(), closing.HandOverAddressRate
	wait := time.Duration(0)
	if client, ok := s.Proxies.Client(r); ok {
		if wait = s.comers.Take(listener.Network(client), now); wait > 0 {
			s.crowds(client, why)
		}
	}
	if wait <= 0 {
		// Of what an address sends beyond its own bound nobody else has less.
		wait, why = s.codes.Take(struct{}{}, now), closing.HandOverRate
	}
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	s.refuseVisitor(w, why)
	return false
}

// asker is who opens WebSockets.
type asker struct {
	namespace, user string
	// guestOf is the session whose share's link let them in, with the share as its user.
	guestOf string
}

// admitsUser comes once it is known who visits: a guest's WebSockets are not the owner's.
func (s *Server) admitsUser(w http.ResponseWriter, v visitor) bool {
	// Whoever may create sessions names its user: a namespace speaks for its own only.
	who := asker{namespace: v.Session.Namespace, user: v.who.User}
	if v.who.By == auth.ByShare {
		who.guestOf = v.Session.Name
	}
	return s.admits(w, s.users.Take(who, time.Now()), closing.UserRate)
}

func (s *Server) admits(w http.ResponseWriter, wait time.Duration, why *closing.Refusal) bool {
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	s.refuse(w, why.Ending())
	return false
}
