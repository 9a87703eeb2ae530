package activator

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

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
	return !ok || s.admits(w, s.refusals.Wait(listener.Network(client), time.Now()), closing.RefusalRate)
}

// admitsUser comes once it is known who visits.
func (s *Server) admitsUser(w http.ResponseWriter, v visitor) bool {
	// Whoever may create sessions names its user: a namespace speaks for its own only.
	wait := s.users.Take(types.NamespacedName{Namespace: v.Session.Namespace, Name: v.Session.Spec.User}, time.Now())
	return s.admits(w, wait, closing.UserRate)
}

func (s *Server) admits(w http.ResponseWriter, wait time.Duration, why *closing.Refusal) bool {
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	s.refuse(w, why.Ending())
	return false
}
