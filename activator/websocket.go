package activator

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/sockets"
	"github.com/org/vdi-operator/activator/verdict"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// longestHost is a name of DNS and a port, in bytes: what is longer is not kept.
const longestHost = 253 + len(":65535")

// inputEvery is how often one connection's input is passed to wake.Tracker, which decides
// what is written.
const inputEvery = time.Second

// serveWebSocket accepts a WebSocket and hands it to a goroutine of its own: at once, unless
// a desktop that is awake has to be asked for a subprotocol. What served the request, with
// its buffers and its grown stack, ends here.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, v visitor) {
	if s.refuseUpgrade(w, r) {
		return
	}
	offer, ok := s.offered(w, r)
	if !ok || offer == nil && s.repeatVerdict(w, r, v) {
		return
	}
	if !s.sockets.Enter() {
		s.refuse(w, closing.ShuttingDown.Ending())
		return
	}
	if v.looks() {
		r = r.WithContext(r.Context()) // a copy
		r.URL = signaling.AsViewer(r.URL)
	}
	h := &socket{server: s, visitor: v, from: s.from(r), member: sockets.Member{Session: v.Key(), Visitor: v.who, Opened: time.Now()},
		path: verdict.Path(r.URL.Path), recognised: signaling.Recognise(r.URL.Path), kept: s.heldBytes.Of(v.Key())}
	handed := false // to a goroutine that leaves
	defer func() {
		if !handed {
			h.leave()
		}
	}()
	streaming := signaling.Streaming(v.Session)
	protocol := signaling.For(streaming.Protocol, r.URL.Path)
	h.protocol = protocol.Name
	promise(offer, streaming, protocol)
	request := relay.NewRequest(r, v.face, s.rules, offer)
	if refusal := s.admitSocket(h, request); refusal != nil {
		handed = s.turnAway(w, r, h, offer, refusal)
		return
	}
	s.unhurried(w)
	asked, answered := s.negotiate(w, r, h, request)
	if answered {
		return
	}
	conn, before, err := s.upgrade(w, r, offer)
	if err != nil {
		s.Log.Debug("a client's upgrade failed", "error", err)
		if asked != nil {
			asked.Close()
		}
		return
	}
	traits, options := protocol.Traits, signaling.OptionsFor(streaming, s.Config)
	if options.ViewOnly = v.looks(); options.ViewOnly {
		// Nothing of theirs passes unread, however long it is.
		traits.SeesInput, traits.Signaling = false, true
	}
	h.member.Access, h.member.Bound = v.Session.Status.Access, true
	options.Access = h.member.Access
	conversation := protocol.Converse(options)
	if sifter, ok := conversation.(signaling.Sifter); ok && sifter.SiftsDesktop() {
		traits.ReadsDesktop = true
	}
	h.seesInput, h.standsStill = traits.SeesInput, traits.StandsStill
	h.member.Only = traits.SingleViewer
	if traits.StandsStill {
		if len(r.Host) <= longestHost {
			h.host = strings.Clone(r.Host)
		}
	}
	h.conn = hold.Accept(conn, before, hold.Options{
		Traits:       traits,
		Conversation: conversation,
		Request:      request,
		Limits:       s.holdLimits(v.Session),
		HeldBytes:    h.kept,
		Host:         h,
	})
	h.member.Conn = h.conn
	handed = true
	go h.serve(asked)
}

// turnAway closes a WebSocket with the reason: a script is shown nothing else of a refusal.
// True says that a goroutine does so, and leaves then.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, h *socket, offer *relay.Subprotocols, why error) bool {
	conn, before, err := s.upgrade(w, r, offer)
	if err != nil {
		s.Log.Debug("a client's upgrade failed", "error", err)
		return false
	}
	h.log(why)
	go func() {
		defer h.leave()
		hold.Refuse(conn, before, closing.Of(why))
	}()
	return true
}

// admitSocket takes what an open WebSocket takes, and wakes its desktop, unless it is
// refused.
func (s *Server) admitSocket(h *socket, request *relay.Request) error {
	if err := s.refuseSocket(h.visitor); err != nil {
		return err
	}
	end, err := s.live.Acquire(h.Key())
	if err != nil {
		return err
	}
	if h.release, err = s.hold(h.visitor); err != nil {
		end()
		return err
	}
	if err := h.kept.Take(request.Size()); err != nil {
		end()
		h.release()
		return err
	}
	h.end = end
	// The wake is on its way while the upgrade is answered.
	h.visit = s.attendAs(h.who, h.Session, h.from)
	return nil
}

// socket is a visitor's WebSocket, and what its connection asks for.
type socket struct {
	visitor
	server *Server
	conn   *hold.Conn
	// protocol is the adapter's name, path where the client upgraded, and recognised what
	// that says of the desktop.
	protocol, path string
	recognised     v1alpha1.StreamingProtocol
	// kept is what is kept for a desktop that is still to come.
	kept *limit.Share[types.NamespacedName]
	// host is the session's as the visitor calls it, where what is kept of its desktop has to
	// be renewed.
	host string
	// from is the visitor's address, for the audit.
	from string
	// seesInput says that what the visitor types passes here.
	seesInput bool
	// standsStill says that the desktop does without a viewer, so that an agent may stand in.
	standsStill bool
	member      sockets.Member
	visit       *wake.Visit
	// end gives the place among the open back; release that among the held, nil while the
	// connection is live.
	end, release func()
	// typed is when input was last passed on, in seconds since 1970.
	typed atomic.Int64
	// withheld is done once the audit has heard that a policy keeps back what the visitor sends.
	withheld sync.Once
}

// Its exported methods are hold.Host's, and documented there.
var _ hold.Host = (*socket)(nil)

// serve serves the socket, whose desktop is there already if it was asked.
func (h *socket) serve(asked *hold.Asked) {
	s := h.server
	defer h.leave()
	// As net/http does: one connection's panic is not the others'.
	defer func() {
		if p := recover(); p != nil {
			h.Panicked(p)
			h.conn.End(closing.Failed.Ending())
		}
	}()
	s.sockets.Add(&h.member)
	defer s.sockets.Drop(&h.member)
	// A policy that came while the upgrade was answered has not found it among the open ones.
	if view, ok := s.Directory.View(h.Key()); ok {
		if why := outdated(&h.member, view.Session); why != nil {
			h.conn.End(why)
		}
	}
	defer s.attends(h.Session, h.who, h.from)()
	var end error
	if asked != nil {
		end = h.conn.ServeAsked(asked)
	} else {
		end = h.conn.Serve()
	}
	if at, ok := h.address(); ok && h.release == nil && !hold.Left(end) {
		s.verdicts.BrokeOff(at.Run, time.Now())
	}
	h.log(end)
}

// leave gives back what serveWebSocket took.
func (h *socket) leave() {
	h.server.sockets.SetViewing(&h.member, false)
	if h.visit != nil { // not refused
		if h.release != nil {
			h.release()
		} else {
			h.server.Metrics.Relayed.Dec()
		}
		h.visit.Leave()
		h.end()
	}
	h.kept.ReturnAll()
	h.server.sockets.Leave()
}

// log logs and counts the end of a connection that did not end by itself.
func (h *socket) log(end error) {
	var e *closing.Ending
	if !errors.As(end, &e) {
		return
	}
	h.server.Metrics.Refused(e.Label())
	h.server.Log.Info("closed a WebSocket", "namespace", h.Session.Namespace, "session", h.Session.Name,
		"protocol", h.protocol, "code", e.Code, "reason", e.Reason)
}

func (h *socket) Gone() error { return h.server.prober.Check(h.reach(h.visit)) }

func (h *socket) Reached() { h.visit.Reached() }

func (h *socket) Live() {
	h.release()
	h.release = nil
	h.visit.Served()
	if h.seesInput {
		h.visit.Watches()
	}
	h.server.Metrics.Relayed.Inc()
	h.server.sockets.SetViewing(&h.member, true)
	if h.host != "" {
		h.server.renewLater(h)
	}
	if at, ok := h.address(); ok {
		h.server.verdicts.Took(at.Run)
	}
	if !signaling.Named(h.Session) && !h.looks() {
		h.server.Tracker.Speaks(h.Key(), h.recognised)
	}
}

// Held is a new visit: the visitor wants the desktop woken should it sleep.
func (h *socket) Held() error {
	s := h.server
	if s.holding.Err() != nil {
		return closing.ShuttingDown.Ending()
	}
	s.Metrics.HeldAgain.Inc()
	s.sockets.SetViewing(&h.member, false)
	if h.release != nil {
		return nil // it went while the backlog was played
	}
	view, ok := s.Directory.View(h.Key())
	if !ok {
		return closing.Gone.Ending()
	}
	if h.looks() && !lifecycle.Runs(view.Session) {
		return closing.ViewerAsleep.Ending()
	}
	release, err := s.held.Acquire(h.Key())
	if err != nil {
		return err
	}
	before := h.visit
	h.visit = s.attendAs(h.who, view.Session, h.from)
	before.Leave()
	s.Metrics.Relayed.Dec()
	h.release = release
	return nil
}

func (h *socket) First() { h.visit.Mark(metrics.StageFirstMessage) }

func (h *socket) Input() {
	now := time.Now()
	if last := h.typed.Load(); now.Unix()-last < int64(inputEvery.Seconds()) || !h.typed.CompareAndSwap(last, now.Unix()) {
		return
	}
	// The write ends in a time of its own, and the tracker logs how; see wake.Tracker.
	go func() {
		if view, ok := h.server.Directory.View(h.Key()); ok {
			_ = h.server.Tracker.Input(context.Background(), view.Session, now)
		}
	}()
}

func (h *socket) Withheld(fromClient bool) {
	if fromClient {
		h.server.Metrics.WithheldToDesktop.Inc()
		h.withheld.Do(func() { h.server.refused(h.visitor, h.from, withheldReason) })
	} else {
		h.server.Metrics.WithheldToClient.Inc()
	}
}

func (h *socket) ToDesktop(bytes int) { h.server.Metrics.BytesToDesktop.Add(float64(bytes)) }

func (h *socket) ToClient(bytes int) { h.server.Metrics.BytesToClient.Add(float64(bytes)) }

func (h *socket) Idle(is bool) {
	if is {
		h.server.Metrics.RelayIdle.Inc()
	} else {
		h.server.Metrics.RelayIdle.Dec()
	}
}

func (h *socket) Panicked(p any) {
	h.server.Log.Error("a WebSocket's goroutine panicked", "panic", p, "stack", string(debug.Stack()))
}

// refuseSocket says why a socket is turned away without waking anything.
func (s *Server) refuseSocket(v visitor) error {
	switch {
	case lifecycle.PoweredOff(v.Session):
		return closing.PoweredOff.Ending()
	case v.scripted:
		return probe.RefuseScript(v.Session)
	}
	return nil
}

func (s *Server) holdLimits(session *v1alpha1.VDISession) hold.Limits {
	startup := lifecycle.EffectivePolicy(session.Status.Lifecycle).StartupTimeout.OrZero()
	l := s.Config.Limits
	return hold.Limits{BufferedBytes: l.BufferedBytes, BufferedFrames: l.BufferedFrames, MessageBytes: l.MessageBytes,
		HoldTime: l.HoldFor(startup), RelayIdle: l.RelayIdleTimeout.Duration}
}
