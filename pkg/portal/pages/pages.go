// Package pages is what a person sees at the portal: their desktops, the templates to start
// others from, whom each is shared with, and for administrators all desktops.
//
// It promises that every page works without script, that nobody learns of a session what
// package access does not grant them, and that a session which is not there and one that is not
// theirs answer alike. Whoever serves them has checked that a form is this sign-in's own.
package pages

import (
	"embed"
	"io/fs"
	"net/http"
	"sync"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/look"
)

// AssetsPath is where the pages' styles and script are, which anybody may load.
const AssetsPath = "/assets/"

//go:embed assets html
var files embed.FS

// Visitor is somebody who has signed in.
type Visitor struct {
	access.Person
	// CSRF is what forms carry: a secret that belongs to the sign-in.
	CSRF string
	// Via is how they proved who they are, From the address of their computer: for the audit.
	Via  audit.Via
	From string
}

// Options are what the pages are made with.
type Options struct {
	// Client reads sessions and templates, from a cache, and writes sessions.
	Client client.Client
	Config config.Config
	Log    logr.Logger
	// Audit says who did what; nil says nothing.
	Audit *audit.Log
	// Visitor is whose request it is; false is nobody's.
	Visitor func(*http.Request) (Visitor, bool)
}

// Pages serves the portal's pages.
type Pages struct {
	Options
	mux     *http.ServeMux
	glance  glance
	streams streams
	// starting has the users for whom a session is being made.
	starting sync.Map
}

// New makes the pages.
func New(o Options) *Pages {
	p := &Pages{Options: o, mux: http.NewServeMux(), streams: streams{of: map[string]int{}}}
	p.glance.client = o.Client
	own, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	p.mux.Handle(AssetsPath, look.Assets(AssetsPath, own))
	for path, show := range p.shown() {
		p.mux.HandleFunc("GET "+path, p.visited(func(v *visit) { v.show(show) }))
	}
	p.mux.HandleFunc("GET /events", p.visited(p.events))
	p.mux.HandleFunc("POST /sessions", p.visited(p.create))
	for action, do := range p.done() {
		p.mux.HandleFunc("POST /sessions/{namespace}/{name}/"+action, p.visited(do))
	}
	p.mux.HandleFunc("/", p.visited(func(v *visit) { v.problem(problemNotFound) }))
	return p
}

// ServeHTTP implements http.Handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// shown are the pages that people load.
func (p *Pages) shown() map[string]page {
	return map[string]page{
		"/{$}":                                p.desktops,
		"/templates":                          p.templates,
		"/sessions/{namespace}/{name}":        p.session,
		"/sessions/{namespace}/{name}/delete": p.deletion,
		"/admin":                              p.admin,
	}
}

// done is what people do with a session.
func (p *Pages) done() map[string]func(*visit) {
	return map[string]func(*visit){
		"wake": p.wake, "sleep": p.sleep, "delete": p.remove, "share": p.share, "shares/{share}/end": p.endShare,
	}
}
