package activator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// documentAgain is the pause after which a desktop that was not ready to answer is
	// asked for its document again.
	documentAgain = 250 * time.Millisecond
)

// serveFrame serves the desktop's document to the frame of our page, which learns of
// refusals by other means.
func (s *Server) serveFrame(w http.ResponseWriter, r *http.Request, v visitor) {
	s.pass(page.Framed(w), r, v, func(w http.ResponseWriter, why error) {
		s.count(closing.Of(why))
		page.WriteNothing(w)
	})
}

// serveRequest serves what a desktop's page loads, and what programs ask for.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request, v visitor) {
	s.pass(w, r, v, s.refuse)
}

// pass holds a request until the desktop accepts it, unless the desktop's client is
// kept from an earlier visit.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, v visitor, refuse func(http.ResponseWriter, error)) {
	if err := probe.RefuseScript(v.Session); v.scripted && err != nil {
		refuse(w, err)
		return
	}
	end, err := s.requests.Acquire(v.Key())
	if err != nil {
		refuse(w, err)
		return
	}
	defer end()
	defer s.unhurried(w)()
	if s.serveKept(w, r, v) {
		return
	}
	release, err := s.hold(v)
	if err != nil {
		refuse(w, err)
		return
	}
	defer release()
	client := r.Context()
	ctx, cancel := context.WithCancelCause(client)
	defer cancel(nil)
	r = r.WithContext(ctx)
	member := v.member(request(cancel))
	s.sockets.Add(member)
	defer s.sockets.Drop(member)
	visit := s.enterAs(v.who, v.Session, s.from(r))
	defer visit.Leave()
	failed := func(w http.ResponseWriter, err error) {
		if refusal := (*closing.Ending)(nil); errors.As(err, &refusal) {
			refuse(w, err)
			return
		}
		s.Log.Debug("a desktop broke off a request", "error", err)
		page.WriteRefusal(w, closing.BrokenOff)
	}
	until := time.Now().Add(s.Config.Limits.HoldHTTP.Duration)
	for {
		conn, err := s.dialHeld(r.Context(), v, visit, until)
		if err != nil {
			if client.Err() == nil {
				refuse(w, err)
			}
			return
		}
		visit.Reached()
		if view, ok := s.Directory.View(v.Key()); ok {
			// What is enforced may be known only since the desktop was made.
			now := v
			now.View = view
			if why := refuseByPolicy(r, now); why != nil {
				_ = conn.Close()
				s.overreached(v, s.from(r), why)
				refuse(w, why.Ending())
				return
			}
		}
		// The page's frame is not shown what a web server says whose desktop is not there
		// yet; programs make of such an answer what they like.
		answered := func() {
			release()
			visit.Served()
		}
		patient := v.wants == wantsFrame && time.Until(until) > documentAgain
		if !patient {
			answered()
			s.relay(w, r, v, conn, nil, failed)
			return
		}
		if !s.relay(w, r, v, conn, &relay.Patience{Until: until, Answered: answered}, failed) {
			return
		}
		select {
		case <-time.After(documentAgain):
		case <-r.Context().Done():
			if client.Err() == nil {
				refuse(w, context.Cause(r.Context()))
			}
			return
		}
		if time.Until(until) < documentAgain {
			until = time.Now().Add(documentAgain) // once more: what it says then is the answer
		}
	}
}

// request is a plain request, which its session's end ends.
type request context.CancelCauseFunc

// StopHolding implements sockets.Conn: see Server.holding.
func (r request) StopHolding() {}

// End implements sockets.Conn.
func (r request) End(why error) { r(why) }

// dialHeld connects to the desktop, for which a request waits no longer than until then.
func (s *Server) dialHeld(ctx context.Context, v visitor, visit *wake.Visit, until time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, until, closing.HoldTimeout.Ending())
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(s.holding, func() { end(closing.ShuttingDown.Ending()) })
	defer stop()
	return s.prober.Dial(ctx, v.reach(visit))
}

// serveKept answers for a desktop that is not there yet, or that stands still while nobody
// views it, from what it served on an earlier visit; false when it has to answer for
// itself.
func (s *Server) serveKept(w http.ResponseWriter, r *http.Request, v visitor) bool {
	view := v.View
	if !wanted(view.Session) || !s.Clients.Has(view, r.URL.RequestURI()) {
		return false
	}
	// With a viewer it stands still no longer, and answers for itself.
	standsStill := signaling.TraitsOf(view.Session.Protocol()).StandsStill && !s.sockets.Viewed(v.Key())
	if !standsStill && !s.pending(r.Context(), view) {
		return false
	}
	defer s.enterAs(v.who, v.Session, s.from(r)).Leave()
	return s.Clients.Serve(w, r, view)
}

// pending says that a session's desktop has not started and does not accept connections
// yet.
func (s *Server) pending(ctx context.Context, view directory.View) bool {
	return !lifecycle.Started(view.Session) && !s.prober.Accepts(ctx, view)
}

// wanted says that the desktop may be woken, or is awake.
func wanted(s *v1alpha1.VDISession) bool {
	return !lifecycle.PoweredOff(s) && !lifecycle.NeedsPerson(s)
}

// relay passes a request on, and keeps the answer where it is a part of the client. It says
// whether a patient one has to be asked again, because the desktop was not ready to
// answer.
func (s *Server) relay(w http.ResponseWriter, r *http.Request, v visitor, conn net.Conn, patient *relay.Patience,
	failed relay.Failed) (again bool) {
	view, ok := s.Directory.Current(v.View)
	if !ok {
		return s.http.Serve(w, r, conn, v.face, patient, failed)
	}
	s.Clients.Observe(view)
	rec := s.Clients.Record(w, r, view, conn)
	defer rec.End()
	if s.http.Serve(rec, r, conn, v.face, patient, failed) {
		return true
	}
	rec.Commit()
	return false
}

// hold takes a place among the held, and counts who waits for a start.
func (s *Server) hold(v visitor) (release func(), err error) {
	release, err = s.held.Acquire(v.Key())
	if err == nil && !lifecycle.Started(v.Session) {
		s.Metrics.Holds.Inc()
	}
	return release, err
}
