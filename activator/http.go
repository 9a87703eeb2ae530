package activator

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/reach"
	"github.com/org/vdi-operator/activator/shell"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// navigationWait is how long a page load waits for a desktop that may well be
	// there before it gets the waiting page.
	navigationWait = 250 * time.Millisecond
	// unavailableRetry is what a refused request is told to wait, in seconds.
	unavailableRetry = 5
)

// serveNavigation wakes the desktop for a person who opens a page, and shows the
// desktop's page when it is there, ours while it is not.
func (s *Server) serveNavigation(w http.ResponseWriter, r *http.Request, v visitor) {
	if v.session.Spec.Power == v1alpha1.PowerOff {
		s.refuse(w, metrics.RefusedPoweredOff, shell.PoweredOff)
		return
	}
	visit := s.Keeper.Enter(v.session)
	defer visit.Leave()
	ctx, cancel := context.WithTimeout(r.Context(), navigationWait)
	defer cancel()
	if view, ok := s.Directory.View(v.key); ok && !view.Asleep() {
		if conn, err := s.reacher.Dial(ctx, v.reach(visit)); err == nil {
			visit.Mark(metrics.StageReached)
			visit.Served()
			s.http.Serve(w, r, conn)
			return
		}
	}
	s.awaitWake(ctx, v)
	shell.WriteWaiting(w, s.describe(r.Context(), v))
}

// awaitWake waits until the record shows that a desktop which a clock put to sleep
// was asked for, so that the page does not offer to wake what is waking.
func (s *Server) awaitWake(ctx context.Context, v visitor) {
	for {
		view, ok := s.Directory.View(v.key)
		if !ok || reach.Slept(view.Session) == nil {
			return
		}
		select {
		case <-view.Changed:
		case <-ctx.Done():
			return
		}
	}
}

// serveRequest holds any other request until the desktop accepts it.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request, v visitor) {
	if err := reach.Slept(v.session); v.scripted && err != nil {
		s.count(err)
		s.unavailable(w, err)
		return
	}
	release, err := s.held.Acquire(v.key)
	if err != nil {
		s.count(err)
		s.unavailable(w, err)
		return
	}
	defer release()
	visit := s.Keeper.Enter(v.session)
	defer visit.Leave()
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.Config.Limits.HoldHTTP.Duration, errNotInTime)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(s.holding, func() { end(hold.ShuttingDown) })
	defer stop()

	done := s.holdMetrics(v)
	conn, err := s.reacher.Dial(ctx, v.reach(visit))
	done()
	release()
	if err != nil {
		if r.Context().Err() == nil {
			s.count(err)
			s.unavailable(w, err)
		}
		return
	}
	visit.Mark(metrics.StageReached)
	visit.Served()
	s.http.Serve(w, r, conn)
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

// serveStatus answers the waiting page, and keeps the desktop wanted while that
// page is open.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request, v visitor) {
	if reach.Slept(v.session) == nil {
		defer s.Keeper.Enter(v.session).Leave()
	}
	shell.WriteStatus(w, s.describe(r.Context(), v))
}

func (s *Server) describe(ctx context.Context, v visitor) shell.Status {
	view, ok := s.Directory.View(v.key)
	if !ok {
		view.Session = v.session
	}
	return shell.Describe(view, s.reacher.Now(ctx, v.key), reach.Slept(view.Session) != nil, s.Keeper.Timeline(v.key))
}

// serveActivity takes a page's report that somebody typed or moved the pointer.
func (s *Server) serveActivity(w http.ResponseWriter, r *http.Request, v visitor) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "report activity with POST", http.StatusMethodNotAllowed)
		return
	}
	if v.session.Status.StartTime != nil {
		if err := s.Keeper.Input(r.Context(), v.session, time.Now()); err != nil {
			s.Log.Warn("input was not recorded", "namespace", v.key.Namespace, "session", v.key.Name, "error", err)
			http.Error(w, "the report was not recorded; send the next one", http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
