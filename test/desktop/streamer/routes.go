package main

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/files"
	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
	"github.com/org/vdi-operator/test/desktop/web"
)

// desktop is all that the routes show.
type desktop struct {
	config   config
	home     string
	persists bool
	marks    *milestones
	screen   *screen
	app      *app.App
	servers  *iceconfig.Source

	speaks   *protocol
	loop     *loop         // of Selkies 1.6, where it sleeps; else nil
	join     func()        // registers Selkies 2's app; else nil
	streamed atomic.Uint64 // frames sent in the WebSockets mode

	listening chan struct{} // closes when the port listens
}

// routes are those of the protocol, and some of our own below /demo/.
func (d *desktop) routes() http.Handler {
	mux := http.NewServeMux()
	d.speaks.routes(mux)
	mux.HandleFunc("/demo/status", d.status)
	mux.Handle("/demo/files", &files.Handler{Dir: d.home})
	if d.config.allowExit {
		mux.HandleFunc("/demo/exit", d.exit)
	}
	mux.Handle("/", web.Handler(d.speaks.client))
	return d.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.speaks.claims(r.URL.Path) {
			if d.speaks.checksOrigin && !sameOrigin(r) {
				http.Error(w, "Origin is not this host", http.StatusForbidden)
				return
			}
			d.speaks.sockets.ServeHTTP(w, r)
			return
		}
		if !d.speaks.keepsAlive {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	}))
}

// guard asks for Selkies' basic auth, if that is on: for everything, Selkies 1.6's /health
// included, but not for what Selkies 2 answers to probes.
func (d *desktop) guard(next http.Handler) http.Handler {
	if d.config.basicPass == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(d.speaks.open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		user, pass, _ := r.BasicAuth()
		same := func(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }
		if same(user, d.config.basicUser)&same(pass, d.config.basicPass) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="restricted, desktop"`)
			http.Error(w, "Authorization required", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (d *desktop) turn(w http.ResponseWriter, r *http.Request) {
	user, _, _ := r.BasicAuth()
	if user == "" {
		user = r.Header.Get("x-auth-user")
	}
	if user == "" {
		user = "selkies"
	}
	writeJSON(w, d.servers.Get(r.Context(), user))
}

// status is what tests look at.
func (d *desktop) status(w http.ResponseWriter, _ *http.Request) {
	type point struct {
		X int `json:"x"`
		Y int `json:"y"`
	}
	status := struct {
		StandIn      string             `json:"standIn"`
		UptimeMillis int64              `json:"uptimeMillis"`
		Display      string             `json:"display"`
		Resolution   string             `json:"resolution"`
		FrameRate    int                `json:"frameRate"`
		Layout       layoutName         `json:"layout"`
		Protocol     protocolName       `json:"protocol"`
		Viewers      any                `json:"viewers"`
		FramesSent   uint64             `json:"framesSent"`
		LastInput    string             `json:"lastInput"`
		LastInputAt  *time.Time         `json:"lastInputAt"`
		Pointer      *point             `json:"pointer"`
		Home         string             `json:"home"`
		HomePersists bool               `json:"homePersists"`
		Milestones   map[string]float64 `json:"milestonesMillis"`
		LoopSleeps   int                `json:"loopSleeps"`
	}{
		StandIn: d.speaks.client.StandIn + " (test double)", Layout: d.config.layout, Protocol: d.config.protocol, UptimeMillis: time.Since(d.marks.start).Milliseconds(),
		Resolution: d.config.size.String(), FrameRate: d.config.frameRate,
		Viewers:    d.speaks.connected(),
		FramesSent: d.app.FramesSent() + d.streamed.Load(), Home: d.home, HomePersists: d.persists, Milestones: d.marks.all(), LoopSleeps: d.loop.slept(),
	}
	if d.screen.isReady() {
		status.Display = d.screen.display.Name
		if text, at := d.screen.device.Last(); !at.IsZero() {
			at = at.UTC()
			status.LastInput, status.LastInputAt = text, &at
		}
		if x, y, err := d.screen.device.Position(); err == nil {
			status.Pointer = &point{x, y}
		}
	}
	writeJSON(w, status)
}
