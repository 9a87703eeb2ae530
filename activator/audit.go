package activator

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// vias are the audit's words for how somebody has proved who they are.
var vias = map[auth.Way]audit.Via{auth.ByLink: audit.ViaLink, auth.ByShare: audit.ViaShare, auth.BySignIn: audit.ViaSignIn,
	auth.ByForwarded: audit.ViaForwarded, auth.ByIssuer: audit.ViaBearer}

// attendee is somebody at a session's desktop.
type attendee struct {
	session types.UID
	user    string
	via     audit.Via
	share   string
}

// attendance counts the WebSockets that each has open here: the audit hears of the first and of
// the last.
type attendance struct {
	mu   sync.Mutex
	open map[attendee]int
}

// change adds to somebody's WebSockets, and says whether they have come or gone by that.
func (a *attendance) change(who attendee, by int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = map[attendee]int{}
	}
	before := a.open[who]
	if a.open[who] += by; a.open[who] == 0 {
		delete(a.open, who)
	}
	return before == 0 || before+by == 0
}

// attends says to the audit that somebody has come, and returns what says that they have gone.
func (s *Server) attends(session *v1alpha1.VDISession, v auth.Visitor, from string) (leaves func()) {
	e := said(v, from).Of(session)
	who := attendee{session.UID, e.User, e.Via, e.Share}
	tell := func(kind audit.Kind, by int) {
		if s.attendance.change(who, by) {
			e.Event = kind
			s.Audit.Event(e)
		}
	}
	tell(audit.Attach, 1)
	return func() { tell(audit.Detach, -1) }
}

// wakings remember which wakes the audit has heard of: each is asked for by every request until
// the operator has begun with it.
type wakings struct {
	mu sync.Mutex
	// heard has the sleep that the last wake of a session ended, by its UID.
	heard *lru.Cache
}

// maxWakings bounds what is remembered, some 100 bytes each.
const maxWakings = 1 << 12

// first says that no wake from the sleep of that time was heard of.
func (w *wakings) first(session types.UID, slept time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.heard == nil {
		w.heard = lru.New(maxWakings)
	}
	if was, heard := w.heard.Get(session); heard && was.(time.Time).Equal(slept) {
		return false
	}
	w.heard.Add(session, slept)
	return true
}

// wakes says whether a visitor may wake a desktop, and to the audit that they do, if it is asleep.
func (s *Server) wakes(v auth.Visitor, session *v1alpha1.VDISession, from string) bool {
	if !v.May(access.Wake) {
		return false
	}
	if s.Audit == nil || lifecycle.Awake(session) || lifecycle.PoweredOff(session) || !s.wakings.first(session.UID, lifecycle.Slept(session)) {
		return true
	}
	e := said(v, from).Of(session)
	e.Event = audit.Wake
	s.Audit.Event(e)
	return true
}

// said is what an event says of a visitor at a desktop.
func said(v auth.Visitor, from string) audit.Event {
	return audit.Event{User: v.User, Via: vias[v.By], Share: v.Share(), From: from, Role: access.By(v.Roles, access.See)}
}

// turnedAway says to the audit that somebody showed something that does not let them in. Who
// shows nothing is nobody's business: every stray request is one.
func (s *Server) turnedAway(r *http.Request, session *v1alpha1.VDISession, why *closing.Refusal) {
	if why == closing.NoToken {
		return
	}
	e := audit.Event{Event: audit.Refused, From: s.from(r), Reason: why.Label, Role: access.Nobody}.Of(session)
	if e.UID == nobodysUID {
		e.UID = ""
	}
	s.Audit.Event(e)
}

// Lines of the audit about those who tried what they may not do, of one session: a client that
// does not know that it only looks asks again and again.
const (
	overreachesPerSecond = 0.1
	overreachesAtOnce    = 20
)

// overreached says to the audit that somebody tried more than they may: who may only look, or
// what the template's access policy keeps back. That a desktop is asleep is no fault of theirs.
func (s *Server) overreached(v visitor, from string, why *closing.Refusal) {
	if why != closing.ViewerAsleep {
		s.refused(v, from, why.Label)
	}
}

// withheldReason is the audit's word for messages of a WebSocket that an access policy keeps back:
// they are dropped, and the connection goes on.
const withheldReason = "access_withheld"

// refused says to the audit that somebody tried more than they may, by the bounds above.
func (s *Server) refused(v visitor, from, reason string) {
	if s.overreaches.Take(v.Session.UID, time.Now()) > 0 {
		return
	}
	e := said(v.who, from).Of(v.Session)
	e.Event, e.Reason = audit.Refused, reason
	s.Audit.Event(e)
}

// How often the audit hears of an address that tries too much.
const (
	crowdsPerSecond = 1.0 / 60
	crowdsAtOnce    = 1
)

// crowds says to the audit that an address tries too much.
func (s *Server) crowds(client netip.Addr, why *closing.Refusal) {
	if s.crowded.Take(listener.Network(client), time.Now()) <= 0 {
		s.Audit.Event(audit.Event{Event: audit.Refused, From: client.String(), Reason: why.Label, Role: access.Nobody})
	}
}

// from is the visitor's address as far as it is known.
func (s *Server) from(r *http.Request) string {
	if client, ok := s.Proxies.Client(r); ok {
		return client.String()
	}
	return ""
}
