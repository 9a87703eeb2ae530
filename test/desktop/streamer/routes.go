package main

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/files"
	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
	"github.com/org/vdi-operator/test/desktop/internal/signaling"
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
	peers    *signaling.Server
	servers  *iceconfig.Source

	listening chan struct{} // closes when the port listens
}

// routes are Selkies 1.6's, and two of our own below /demo/.
func (d *desktop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK\n"))
	})
	mux.HandleFunc("/turn", d.turn)
	mux.HandleFunc("/demo/status", d.status)
	mux.Handle("/demo/files", &files.Handler{Dir: d.home})
	mux.Handle("/", web.Handler())
	return d.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if signaling.IsPath(r.URL.Path) {
			d.peers.ServeHTTP(w, r)
			return
		}
		// As Selkies 1.6: one request a connection.
		w.Header().Set("Connection", "close")
		mux.ServeHTTP(w, r)
	}))
}

// guard asks for Selkies' basic auth, if that is on: for everything, /health included.
func (d *desktop) guard(next http.Handler) http.Handler {
	if d.config.basicPass == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		Viewers      map[string]bool    `json:"viewers"`
		FramesSent   uint64             `json:"framesSent"`
		LastInput    string             `json:"lastInput"`
		LastInputAt  *time.Time         `json:"lastInputAt"`
		Pointer      *point             `json:"pointer"`
		Home         string             `json:"home"`
		HomePersists bool               `json:"homePersists"`
		Milestones   map[string]float64 `json:"milestonesMillis"`
	}{
		StandIn: "Selkies 1.6 (test double)", UptimeMillis: time.Since(d.marks.start).Milliseconds(),
		Resolution: d.config.size.String(), FrameRate: d.config.frameRate,
		Viewers:    map[string]bool{"video": d.peers.Present(signaling.BrowserVideo), "audio": d.peers.Present(signaling.BrowserAudio)},
		FramesSent: d.app.FramesSent(), Home: d.home, HomePersists: d.persists, Milestones: d.marks.all(),
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

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value)
}
