// Package page is what a visitor sees that is not the desktop itself: the page
// around it, which shows how the desktop starts, holds it in a frame, warns before
// it sleeps and offers to wake it; and the pages that say why there is none.
//
// Pages load nothing from elsewhere and run one small script of ours, under a
// strict Content-Security-Policy. They name no session that the visitor did not
// prove a right to.
package page

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/look"
)

// Prefix is the path, below every session's address, that belongs to this product; the
// pages' style and script are also below the root of the host.
const Prefix = "/_vdi/"

const (
	// AssetsPath is where Assets belongs.
	AssetsPath = Prefix + "assets/"
	// StatusPath answers with Status as JSON.
	StatusPath = Prefix + "status"
	// EventsPath answers with a stream of Status, one for each change.
	EventsPath = Prefix + "events"
	// EventsQuery is the query parameter, of either path, that names the path which the
	// page's frame shows.
	EventsQuery = "at"
	// BeatEvent is an event without content: a page that hears none knows that nothing comes
	// through, and asks StatusPath instead. Proxies end silent streams, too.
	BeatEvent = "beat"
	// BeatEvery is the pause between two.
	BeatEvery = 4 * time.Second
	// ActivityPath takes a POST that says that somebody typed just now; with WatchesQuery it
	// says only that the page would see it.
	ActivityPath = Prefix + "activity"
	// WatchesQuery is a query parameter without meaning in its value.
	WatchesQuery = "watches"
	// WakePath takes a POST of a person who asks for a desktop that a clock put to
	// sleep.
	WakePath = Prefix + "wake"
	// RenewPath answers with nothing: a page that is open asks it so that its visitor's cookie is
	// renewed.
	RenewPath = Prefix + "renew"
	// EnterPath takes the code of a hand-over from the portal.
	EnterPath = Prefix + "enter"
	// SignOutPath takes a POST of a person who wants to be signed out.
	SignOutPath = Prefix + "signout"
	// ReloadEvent is an event without content: what the visitor may do has changed.
	ReloadEvent = "reload"
	// TakePath takes a POST of a person who wants to see, on the page that PageQuery
	// names, a desktop that another page shows and that can be shown once.
	TakePath = Prefix + "take"
)

// securityPolicy allows our own style and script, and the desktop in a frame. A page of
// ours may itself be in a frame of its own origin: see AddressInFrame.
const securityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

//go:embed pages assets
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

// Assets serves the pages' styles and script, which hold nothing private.
func Assets() http.Handler {
	sub, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return look.Assets(AssetsPath, sub)
}

// WriteRefusal sends a refusal as a page, which says why there is no desktop.
func WriteRefusal(w http.ResponseWriter, why *closing.Refusal) {
	render(w, why.Status, "message.html", why)
}

func render(w http.ResponseWriter, status int, page string, data any) {
	renderTo(w, status, page, data, "")
}

// renderTo is render for a page whose forms may lead to another origin.
func renderTo(w http.ResponseWriter, status int, page string, data any, origin string) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, page, data); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.Replace(securityPolicy, "form-action 'self'", strings.TrimSpace("form-action 'self' "+origin), 1))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
