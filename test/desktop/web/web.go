// Package web is the demo desktop's page: a small client that does on the wire what the
// web client of Selkies 1.6 does. It promises to run under a strict content security
// policy (no inline script or style) and to tell tests its timeline in window.desktop. It
// does not know the product; it could be served by anybody.
package web

import (
	"embed"
	"net/http"
)

//go:embed index.html desktop.js desktop.css icon.svg
var content embed.FS

// policy allows what the page needs and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'"

// Handler serves the page at / and its files beside it.
func Handler() http.Handler {
	files := http.FileServerFS(content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}
