// Package pageapi serves the page around a desktop and the paths below page.Prefix, which
// that page's script asks: how the session stands, input, a wake, a takeover.
//
// Its visitors were checked before. It does not know what a page says; see package page.
package pageapi

import (
	"context"
	"log/slog"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/activator/standin"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

// API is what it is made of.
type API struct {
	Directory *directory.Directory
	Tracker   *wake.Tracker
	Prober    *probe.Prober
	Clients   *clientcache.Cache
	Viewers   *viewer.Viewers
	// Pages bounds the streams of events: each costs a connection and a goroutine.
	Pages   *limit.Places[types.NamespacedName]
	Metrics *metrics.Activator
	Log     *slog.Logger
	// Stopping ends when pages have to go to another replica.
	Stopping context.Context
	// Refuse answers a request with a line of text.
	Refuse func(http.ResponseWriter, error)
	// Enter counts a visit from an address, as far as that is known.
	Enter func(who auth.Visitor, s *v1alpha1.VDISession, from string) *wake.Visit
	// StandIns has agents stand in for clients, and Viewed says whether one talks to the session's
	// desktop here.
	StandIns *standin.StandIns
	Viewed   func(types.NamespacedName) bool
	// Portal is where people sign in; nil where they do not.
	Portal *Portal
}

// Portal is where the page leads those who have signed in.
type Portal struct {
	// Origin is where a sign-out leads to, Home where people find their desktops.
	Origin, Home string
	// Sharing is where somebody shares a session.
	Sharing func(namespace, name string) string
}

// Visitor is who asks: the session as it was when the request came, how the visitor sees it,
// and what they may do.
type Visitor struct {
	directory.View
	Face route.Face
	Who  auth.Visitor
	// From is their address, as far as it is known.
	From string
}

// page is the page that asks, by its name. One on which somebody may only look has none here: it
// takes no view from those who may do more.
func (v Visitor) page(r *http.Request) viewer.Page {
	p := viewer.Page{Session: v.Key()}
	if v.Who.May(access.Control) {
		p.Name = page.NameOf(r)
	}
	return p
}

// Serve serves a path below page.Prefix.
func (a *API) Serve(w http.ResponseWriter, r *http.Request, v Visitor) {
	switch r.URL.Path {
	case page.StatusPath:
		a.serveStatus(w, r, v)
	case page.EventsPath:
		a.serveEvents(w, r, v)
	case page.ActivityPath:
		a.posted(w, r, v, access.Control, a.serveActivity)
	case page.WakePath:
		a.posted(w, r, v, access.Wake, a.serveWake)
	case page.TakePath:
		a.posted(w, r, v, access.Control, a.serveTake)
	case page.RenewPath:
		// The answer to whatever somebody asks renews their cookie; this is neither a visit nor
		// input, and may be asked by a page that nobody sees.
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// posted serves what only a POST may ask for, of somebody who may do it.
func (a *API) posted(w http.ResponseWriter, r *http.Request, v Visitor, do access.Action, serve func(http.ResponseWriter, *http.Request, Visitor)) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "ask for this with POST", http.StatusMethodNotAllowed)
	case !v.Who.May(do):
		a.Refuse(w, closing.ViewOnly.Ending())
	default:
		serve(w, r, v)
	}
}
