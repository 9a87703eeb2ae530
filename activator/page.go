package activator

import (
	"context"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// recordedWithin is how long a person who wakes a desktop waits for the record of it,
// so that the page does not offer to wake what is waking.
const recordedWithin = 250 * time.Millisecond

// servePage shows the page around the desktop, and wakes the desktop for the person who
// opened it.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, v visitor) {
	if lifecycle.PoweredOff(v.session) {
		s.refuseVisitor(w, closing.PoweredOff)
		return
	}
	view := v.view
	if v.wants == wantsPage || !lifecycle.NeedsPerson(v.session) {
		view = s.wake(r.Context(), v)
	}
	page.WritePage(w, page.Page{Name: v.key.Name, Base: v.face.Base(), Address: r.URL, Marked: v.marked,
		Status: s.describe(r.Context(), view, r.URL.RequestURI(), "")})
}

// serveWake wakes the desktop for a person who asked for it on the page. A script of
// the desktop's could ask too, as it could load the page: what must not wake is what
// happens by itself.
func (s *Server) serveWake(w http.ResponseWriter, r *http.Request, v visitor) {
	if !posted(w, r) {
		return
	}
	s.wake(r.Context(), v)
	if name := page.NameOf(r); name != "" {
		// Who wakes it wants to see it here. Should that not be recorded, the page claims
		// the view, or offers to take it over.
		_ = s.take(r.Context(), v, name)
	}
	w.WriteHeader(http.StatusNoContent)
}

// wake asks for the desktop, and waits a moment until the record shows it.
func (s *Server) wake(ctx context.Context, v visitor) directory.View {
	defer s.Tracker.Enter(v.session).Leave()
	return s.await(ctx, v, func(view directory.View) bool { return !lifecycle.NeedsPerson(view.Session) })
}

// await waits a moment for what was just written to come back by the watch, and returns the
// session as it is then.
func (s *Server) await(ctx context.Context, v visitor, so func(directory.View) bool) directory.View {
	view := v.view
	ctx, cancel := context.WithTimeout(ctx, recordedWithin)
	defer cancel()
	for {
		now, ok := s.Directory.View(v.key)
		if !ok {
			return view
		}
		if view = now; so(view) {
			return view
		}
		select {
		case <-view.Changed:
		case <-ctx.Done():
			return view
		}
	}
}

// serveStatus answers a page that is not told of changes, and keeps the desktop wanted
// while that page asks.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request, v visitor) {
	if !lifecycle.NeedsPerson(v.session) {
		defer s.Tracker.Enter(v.session).Leave()
	}
	page.WriteStatus(w, s.describe(r.Context(), v.view, v.at(r), page.NameOf(r)))
}

// at is the path that a page's frame shows, as the page tells it.
func (v visitor) at(r *http.Request) string {
	return v.face.InsideURI(r.URL.Query().Get(page.EventsQuery))
}

// describe says how the session stands now, for a page of that name, if it has one,
// whose frame shows that path.
func (s *Server) describe(ctx context.Context, view directory.View, path, name string) page.Status {
	claimed := s.polls(ctx, view, name)
	f := s.facts(view, path)
	f.Reachable = s.prober.Accepts(ctx, view)
	f.Usually = s.Directory.MedianStart(view.Session.Spec.Template)
	f.Viewing = viewer.ViewingOf(view.Session, name, claimed)
	return page.Describe(f)
}

// facts are those that are cheap to find out.
func (s *Server) facts(view directory.View, path string) page.Facts {
	return page.Facts{
		View: view, Now: time.Now(), Stamps: s.Tracker.Timeline(client.ObjectKeyFromObject(view.Session)),
		Early: !lifecycle.Started(view.Session) && s.Clients.Has(view, path),
		Image: s.Clients.Observe(view),
	}
}

// serveActivity takes a page's report that somebody typed or moved the pointer.
func (s *Server) serveActivity(w http.ResponseWriter, r *http.Request, v visitor) {
	if !posted(w, r) {
		return
	}
	if err := s.Tracker.Input(r.Context(), v.session, time.Now()); err != nil {
		s.Log.Warn("input was not recorded", "namespace", v.key.Namespace, "session", v.key.Name, "error", err)
		http.Error(w, "the report was not recorded; send the next one", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// posted answers requests of other methods.
func posted(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", http.MethodPost)
	http.Error(w, "ask for this with POST", http.StatusMethodNotAllowed)
	return false
}
