package activator

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// offered is what a client offers; false where it was refused.
func (s *Server) offered(w http.ResponseWriter, r *http.Request) (*relay.Subprotocols, bool) {
	offer, err := relay.ParseSubprotocols(r.Header)
	if err != nil {
		s.refuse(w, err)
		return nil, false
	}
	return offer, true
}

// promise chooses for a desktop that cannot be asked: what the template says, or else what
// the protocol's desktops are known for, or else the client's first.
func promise(offer *relay.Subprotocols, streaming v1alpha1.StreamingSpec, p *signaling.Protocol) {
	if offer != nil {
		offer.Promise(slices.Concat(streaming.Subprotocols, p.Subprotocols)...)
	}
}

// negotiate asks a desktop that is awake before its client is answered, who is then promised
// what the desktop chose. The client of any other is held: asked is nil. Answered says
// that the desktop refused, and that its client knows.
func (s *Server) negotiate(w http.ResponseWriter, r *http.Request, h *socket, q *relay.Request) (asked *hold.Asked, answered bool) {
	if q.Subprotocols == nil || !s.awake(r.Context(), h) {
		return nil, false
	}
	asked, subprotocol, err := s.askFirst(r.Context(), h, q)
	var no *relay.Rejected
	var e *closing.Ending
	switch {
	case err == nil:
		q.Subprotocols.Promised = subprotocol
		return asked, false
	case h.Gone() != nil:
		// It went because of what happened to the session, which is said to who is held.
	case errors.As(err, &no) && !h.Rejected(no.Status):
		s.reject(w, h.visitor, no)
		return nil, true
	case errors.As(err, &e):
		s.refuse(w, e)
		return nil, true
	}
	return nil, false
}

// awake says that the socket's desktop can be asked now.
func (s *Server) awake(ctx context.Context, h *socket) bool {
	_, there := h.address()
	return there && !s.pending(ctx, h.View)
}

// askFirst asks a desktop for its end of the WebSocket. What ends a client that is held ends
// the question, which is then ErrStarting: the client is told when it is held.
func (s *Server) askFirst(ctx context.Context, h *socket, q *relay.Request) (*hold.Asked, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Config.Limits.HoldHTTP.Duration)
	defer cancel()
	stop := context.AfterFunc(s.holding, cancel)
	defer stop()
	member := h.visitor.member(request(func(error) { cancel() }))
	s.sockets.Add(member)
	defer s.sockets.Drop(member)
	// It accepts at once, or goes.
	soon, end := context.WithTimeout(ctx, verdictAsk)
	defer end()
	conn, err := s.prober.Dial(soon, h.reach(h.visit))
	if err != nil {
		return nil, "", relay.ErrStarting
	}
	return hold.Ask(ctx, conn, q)
}
