package activator

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/reach"
	"github.com/org/vdi-operator/activator/shell"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/metrics"
)

// unavailableRetry is what a refused request is told to wait, in seconds.
const unavailableRetry = 5

// serveFrame serves the desktop's document to the frame of our page, which is told of
// refusals by other means.
func (s *Server) serveFrame(w http.ResponseWriter, r *http.Request, v visitor) {
	s.serve(&shell.Framed{ResponseWriter: w}, r, v, func(w http.ResponseWriter, _ error) { shell.WriteNothing(w) })
}

// serveRequest serves what a desktop's page loads, and what programs ask for.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request, v visitor) {
	s.serve(w, r, v, s.unavailable)
}

// serve holds a request until the desktop accepts it, unless the desktop's client is
// kept from an earlier visit.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, v visitor, refuse func(http.ResponseWriter, error)) {
	if err := reach.Slept(v.session); v.scripted && err != nil {
		s.count(err)
		refuse(w, err)
		return
	}
	if s.serveKept(w, r, v) {
		return
	}
	release, err := s.held.Acquire(v.key)
	if err != nil {
		s.count(err)
		refuse(w, err)
		return
	}
	defer release()
	visit := s.Keeper.Enter(v.session)
	defer visit.Leave()
	conn, err := s.dialHeld(r.Context(), v, visit)
	release()
	if err != nil {
		if r.Context().Err() == nil {
			s.count(err)
			refuse(w, err)
		}
		return
	}
	visit.Mark(metrics.StageReached)
	visit.Served()
	s.pass(w, r, v, conn)
}

// dialHeld connects to the desktop; a request waits for it no longer than HoldHTTP.
func (s *Server) dialHeld(ctx context.Context, v visitor, visit *wake.Visit) (net.Conn, error) {
	defer s.holdMetrics(v)()
	ctx, cancel := context.WithTimeoutCause(ctx, s.Config.Limits.HoldHTTP.Duration, errNotInTime)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(s.holding, func() { end(hold.ShuttingDown) })
	defer stop()
	return s.reacher.Dial(ctx, v.reach(visit))
}

// serveKept answers for a desktop that is not there yet, from what it served on an
// earlier visit; false when it has to answer for itself.
func (s *Server) serveKept(w http.ResponseWriter, r *http.Request, v visitor) bool {
	view, ok := s.Directory.View(v.key)
	if !ok || view.Session.UID != v.session.UID || !starting(view.Session) || !s.Clients.Has(view, r.URL.RequestURI()) ||
		reach.Slept(view.Session) != nil || s.reacher.Now(r.Context(), v.key) {
		return false
	}
	defer s.Keeper.Enter(v.session).Leave()
	return s.Clients.Serve(w, r, view)
}

// pass passes a request on, and keeps the answer where it is a part of the client.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, v visitor, conn net.Conn) {
	view, ok := s.Directory.View(v.key)
	if !ok || view.Session.UID != v.session.UID {
		s.http.Serve(w, r, conn, v.face)
		return
	}
	s.Clients.Observe(view)
	rec := s.Clients.Record(w, r, view, conn)
	defer rec.End()
	s.http.Serve(rec, r, conn, v.face)
	rec.Commit()
}

// count counts an error that is a refusal; a shutdown, for one, is none.
func (s *Server) count(err error) {
	if why := refusalOf(err); why != "" {
		s.Metrics.Refused(why)
	}
}

func (s *Server) unavailable(w http.ResponseWriter, why error) {
	w.Header().Set("Retry-After", strconv.Itoa(unavailableRetry))
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, why.Error(), http.StatusServiceUnavailable)
}

// holdMetrics counts a connection as held until the returned function is called.
func (s *Server) holdMetrics(v visitor) func() {
	if v.session.Status.ReadyTime == nil {
		s.Metrics.Holds.Inc()
	}
	s.Metrics.Held.Inc()
	return s.Metrics.Held.Dec
}
