package activator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/reach"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// closeFrameWithin is how long a close frame to a desktop may take.
	closeFrameWithin = 2 * time.Second
)

// errNotInTime is the end of a plain request that was held for too long.
var errNotInTime = errors.New("the desktop did not answer in time")

// serveWebSocket accepts a WebSocket at once and hands it to a goroutine of its
// own. What served the request, with its buffers and its grown stack, ends here: a
// held connection costs half as much without.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, v visitor) {
	if !s.sockets.enter() {
		s.unavailable(w, hold.ShuttingDown)
		return
	}
	h := &heldSocket{visitor: v, request: r}
	if h.refusal = s.refuseSocket(v); h.refusal == nil {
		var err error
		if h.release, err = s.held.Acquire(v.key); err != nil {
			h.refusal = &hold.Ending{Code: websocket.CloseTryAgainLater, Reason: err.Error(), Refusal: refusalOf(err)}
		} else {
			// The wake is on its way while the upgrade is answered.
			h.visit = s.Keeper.Enter(v.session)
		}
	}
	var err error
	if h.ws, err = s.upgrade(w, r); err != nil {
		s.Log.Debug("a client's upgrade failed", "error", err)
		s.leave(h)
		return
	}
	go func() {
		defer s.leave(h)
		// As net/http does: one connection's panic is not the others'.
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("a WebSocket's goroutine panicked", "panic", p, "stack", string(debug.Stack()))
			}
		}()
		s.serveSocket(h)
	}()
}

// heldSocket is a visitor's WebSocket and what has to be given back for it.
type heldSocket struct {
	visitor
	request *http.Request
	ws      *websocket.Conn
	// refusal is why it is closed as soon as it is open; without one, visit and
	// release are set.
	refusal *hold.Ending
	visit   *wake.Visit
	release func()
}

// leave gives back what serveWebSocket took.
func (s *Server) leave(h *heldSocket) {
	if h.ws != nil {
		_ = h.ws.Close()
	}
	if h.refusal == nil {
		h.visit.Leave()
		h.release()
	}
	s.sockets.leave()
}

// serveSocket holds a WebSocket until the desktop accepts one too, and relays.
func (s *Server) serveSocket(h *heldSocket) {
	v, visit := h.visitor, h.visit
	proto := signaling.For(streaming(v.session).Protocol, h.request.URL.Path)
	limits := s.Config.Limits
	conn, ctx := hold.Keep(s.relaying, h.ws, proto, hold.Limits{
		BufferedBytes: limits.BufferedBytes, BufferedFrames: limits.BufferedFrames, MessageBytes: limits.MessageBytes})
	if h.refusal != nil {
		s.close(conn, h.refusal, v, proto)
		return
	}
	desktop, err := s.holdUntilReached(ctx, h.request, v, visit, h.ws.Subprotocol())
	h.release()
	visit.Served()
	if err != nil {
		s.close(conn, s.ending(ctx, err), v, proto)
		return
	}
	s.Metrics.Relayed.Inc()
	err = conn.Relay(ctx, desktop, func() { visit.Mark(metrics.StageFirstMessage) })
	s.Metrics.Relayed.Dec()
	_ = desktop.WriteControl(websocket.CloseMessage, hold.ClientClose(err), time.Now().Add(closeFrameWithin))
	_ = desktop.Close()
	if reason := s.reacher.Check(v.reach(visit)); reason != nil && ctx.Err() == nil {
		// The desktop went because of what happened to the session: say that.
		err = hold.Unreachable(reason)
	}
	s.close(conn, err, v, proto)
}

// refuseSocket says why a socket is turned away without waking anything.
func (s *Server) refuseSocket(v visitor) *hold.Ending {
	switch {
	case v.session.Spec.Power == v1alpha1.PowerOff:
		return hold.Unreachable(reach.ErrPoweredOff)
	case v.scripted:
		if err := reach.Slept(v.session); err != nil {
			return hold.Unreachable(err)
		}
	}
	return nil
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	// The desktop's choice is not known yet; it is offered the client's first only.
	header := http.Header{}
	if offered := websocket.Subprotocols(r); len(offered) > 0 {
		header.Set("Sec-Websocket-Protocol", offered[0])
	}
	return s.upgrader.Upgrade(w, r, header)
}

func (s *Server) holdUntilReached(ctx context.Context, r *http.Request, v visitor, visit *wake.Visit, subprotocol string) (*websocket.Conn, error) {
	defer s.holdMetrics(v)()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.holding, func() { cancel(hold.ShuttingDown) })
	defer stop()
	var startup time.Duration
	if l := v.session.Status.Lifecycle; l != nil {
		startup = l.StartupTimeout.Duration
	}
	ctx, timeout := context.WithTimeoutCause(ctx, s.Config.Limits.HoldFor(startup), hold.ErrTimeout)
	defer timeout()
	dial := func(ctx context.Context) (net.Conn, error) { return s.reacher.Dial(ctx, v.reach(visit)) }
	return relay.Upgrade(ctx, dial, r, s.Config.URL.Scheme, subprotocol, func() { visit.Mark(metrics.StageReached) })
}

// ending prefers the reason for which the context ended over what broke then.
func (s *Server) ending(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return hold.Unreachable(err)
}

func (s *Server) close(conn *hold.Conn, end error, v visitor, proto signaling.Protocol) {
	log := s.Log.With("namespace", v.key.Namespace, "session", v.key.Name, "protocol", proto.Name())
	var e *hold.Ending
	if errors.As(end, &e) {
		if e.Refusal != "" {
			s.Metrics.Refused(e.Refusal)
		}
		log.Info("closed a WebSocket", "code", e.Code, "reason", e.Reason)
	}
	conn.Close(end)
}

func streaming(s *v1alpha1.VDISession) v1alpha1.StreamingSpec {
	if s.Status.Streaming == nil {
		return v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolAuto}
	}
	return *s.Status.Streaming
}

func refusalOf(err error) metrics.Refusal {
	var full *limit.Reached
	switch {
	case errors.As(err, &full):
		return full.Limit
	case errors.Is(err, errNotInTime):
		return metrics.RefusedHoldTimeout
	}
	return hold.Unreachable(err).Refusal
}
