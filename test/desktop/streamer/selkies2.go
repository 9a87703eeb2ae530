package main

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// handled gives a plain handler the form of sockets that nobody has opened.
type handled http.HandlerFunc

func (h handled) ServeHTTP(w http.ResponseWriter, r *http.Request) { h(w, r) }
func (handled) CloseAll()                                          {}
func (handled) Wait()                                              {}

// starting answers 503 until Selkies 2's service is there, although its web server is.
type starting struct {
	sockets
	until time.Time
}

func (d *desktop) whenStarted(s sockets) sockets {
	return starting{sockets: s, until: d.marks.start.Add(d.config.starting)}
}

func (s starting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if time.Now().Before(s.until) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the service is still starting", http.StatusServiceUnavailable)
		return
	}
	s.sockets.ServeHTTP(w, r)
}

// joinLater registers the app at its own web server once it has a screen.
func (d *desktop) joinLater(ctx context.Context) error {
	if _, err := d.screen.wait(ctx); err != nil {
		return err
	}
	pause(ctx, time.Until(d.marks.start.Add(d.config.peerDelay)))
	d.join()
	d.marks.mark("app registered")
	return nil
}

// sameOrigin is Selkies 2's rule for WebSockets: the page must come from the host that is
// asked. Programs that are no browsers send no Origin.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}
