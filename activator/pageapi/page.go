package pageapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// recordedWithin is how long a person who wakes a desktop waits for the record of it,
// so that the page does not offer to wake what is waking.
const recordedWithin = 250 * time.Millisecond

// thawedWithin is how long a page that is loaded, or that asks, waits for a dozing desktop: so
// that who comes back sees it, rather than a word on it.
const thawedWithin = time.Second

// ServePage shows the page around the desktop. A person who opens it wakes the desktop in
// any case; a page that loads itself again only where no person has to ask. Marked is as in
// page.Page.
func (a *API) ServePage(w http.ResponseWriter, r *http.Request, v Visitor, person, marked bool) {
	view := v.View
	if v.Who.May(access.Wake) && (person || !lifecycle.NeedsPerson(v.Session)) {
		view = a.wake(r.Context(), v)
	}
	page.WritePage(w, page.Page{Name: v.Session.Name, Face: v.Face, Address: r.URL, Marked: marked, Visitor: a.told(v), Access: v.Session.Status.Access,
		Status: a.describe(r.Context(), v, view, r.URL.RequestURI(), viewer.Page{Session: v.Key()})})
}

// told is what the page says of its visitor.
func (a *API) told(v Visitor) page.Visitor {
	p := page.Visitor{User: cmp.Or(v.Who.User, v.Who.Share()), Looks: !v.Who.May(access.Control),
		Trusts: access.WatchingOf(v.Session.Protocol()) == access.ByDesktop}
	if !slices.Contains(v.Who.Roles, access.Owner) {
		p.Owner = v.Session.Spec.User
	}
	if a.Portal != nil && v.Who.By != auth.ByForwarded {
		p.SignOutTo = a.Portal.Origin
		// A page of the portal's, on which no script of the desktop's has a hand.
		if v.Who.May(access.Share) {
			p.SharingAt, p.HomeAt = a.Portal.Sharing(v.Session.Namespace, v.Session.Name), a.Portal.Home
		}
	}
	return p
}

// serveWake wakes the desktop for a person who asked for it on the page. A script of
// the desktop's could ask too, as it could load the page: what must not wake is what
// happens by itself.
func (a *API) serveWake(w http.ResponseWriter, r *http.Request, v Visitor) {
	a.wake(r.Context(), v)
	if name := page.NameOf(r); name != "" {
		// Who wakes it wants to see it here. Should that not be recorded, the page claims
		// the view, or offers to take it over.
		_ = a.take(r.Context(), v, name)
	}
	w.WriteHeader(http.StatusNoContent)
}

// wake asks for the desktop, and waits a moment until the record shows it.
func (a *API) wake(ctx context.Context, v Visitor) directory.View {
	defer a.Enter(v.Who, v.Session, v.From).Leave()
	return a.await(ctx, v.View, func(view directory.View) bool { return !lifecycle.NeedsPerson(view.Session) })
}

// await waits a moment for what was just written to come back by the watch, and returns the
// session as it is then.
func (a *API) await(ctx context.Context, view directory.View, so func(directory.View) bool) directory.View {
	ctx, cancel := context.WithTimeout(ctx, recordedWithin)
	defer cancel()
	for {
		now, ok := a.Directory.View(view.Key())
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

// serveStatus answers a page that has no stream of events, and keeps the desktop wanted
// while that page asks.
func (a *API) serveStatus(w http.ResponseWriter, r *http.Request, v Visitor) {
	if v.Who.May(access.Wake) && !lifecycle.NeedsPerson(v.Session) {
		defer a.Enter(v.Who, v.Session, v.From).Leave()
	}
	page.WriteStatus(w, a.describe(r.Context(), v, v.View, v.framed(r), v.page(r)))
}

// framed is the path that the asking page's frame shows.
func (v Visitor) framed(r *http.Request) string {
	return v.Face.InsideURI(r.URL.Query().Get(page.EventsQuery))
}

// describe says how the session stands now, for a page whose frame shows that path.
func (a *API) describe(ctx context.Context, v Visitor, view directory.View, path string, by viewer.Page) page.Status {
	view = a.thaw(ctx, v, view)
	f := a.facts(v, view, path)
	f.Viewing = a.Viewers.Asks(ctx, by, view.Session)
	f.Reachable = a.Prober.Accepts(ctx, view)
	f.Usually = a.Directory.MedianStart(view.Session.Spec.Template)
	return page.Describe(f)
}

// thaw has a dozing desktop thawed for a visitor who may wake it, and waits a moment for that.
func (a *API) thaw(ctx context.Context, v Visitor, view directory.View) directory.View {
	if !a.Prober.Frozen(view) || !v.Who.May(access.Wake) {
		return view
	}
	visit := probe.VisitOf(v.Session, lifecycle.Slept(v.Session))
	visit.Thaws = true
	accepts := make(chan struct{})
	defer a.Prober.AwaitAccept(visit, func(error) { close(accepts) })()
	timer := time.NewTimer(thawedWithin)
	defer timer.Stop()
	select {
	case <-accepts:
	case <-timer.C:
	case <-ctx.Done():
	}
	if now, ok := a.Directory.View(view.Key()); ok {
		return now
	}
	return view
}

// facts are those that are cheap to find out.
func (a *API) facts(v Visitor, view directory.View, path string) page.Facts {
	return page.Facts{
		Waits: !v.Who.May(access.Wake),
		View:  view, Now: time.Now(), Stamps: a.Tracker.Timeline(view.Key()),
		Early: !lifecycle.Started(view.Session) && a.Clients.Has(view, path),
		Image: a.Clients.Observe(view),
	}
}

// serveActivity takes a page's report that somebody typed or moved the pointer, or that it
// would see that.
func (a *API) serveActivity(w http.ResponseWriter, r *http.Request, v Visitor) {
	var err error
	if r.URL.Query().Has(page.WatchesQuery) {
		err = a.Tracker.Watches(r.Context(), v.Session)
	} else {
		err = a.Tracker.Input(r.Context(), v.Session, time.Now())
	}
	if err != nil {
		http.Error(w, "the report was not recorded; send the next one", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
