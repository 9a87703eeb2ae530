package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

// exitStatus tells an asked-for death from a failure.
const exitStatus = 3

// die ends the process as a crash does: no viewer is told, every connection just ends.
func (d *desktop) die(why string) {
	d.marks.log.Warn("dying as asked", "why", why)
	d.screen.group.Shutdown(0)
	os.Exit(exitStatus)
}

// dieLater is DESKTOP_EXIT_AFTER.
func (d *desktop) dieLater(ctx context.Context) {
	select {
	case <-d.listening:
	case <-ctx.Done():
		return
	}
	if pause(ctx, d.config.exitAfter); ctx.Err() == nil {
		d.die("DESKTOP_EXIT_AFTER")
	}
}

// dieAtUpgrade is DESKTOP_EXIT_ON_UPGRADE: a viewer's socket opens and that is all.
func (d *desktop) dieAtUpgrade(next http.Handler) http.Handler {
	const firstWords = 100 * time.Millisecond // in which a viewer may begin to speak, in vain
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.speaks.claims(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrader has answered
		}
		_ = conn.SetReadDeadline(time.Now().Add(firstWords))
		_, _, _ = conn.ReadMessage()
		d.die("DESKTOP_EXIT_ON_UPGRADE")
	})
}

// exit is POST /demo/exit.
func (d *desktop) exit(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST here to make the desktop die", http.StatusMethodNotAllowed)
		return
	}
	d.die("POST /demo/exit")
}
