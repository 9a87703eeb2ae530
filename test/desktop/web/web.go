// Package web is the demo desktop's page: small clients that do on the wire what the web
// clients of the desktops do for which it stands in. It promises to run under a strict
// content security policy (no inline script or style) and to tell tests its timeline in
// window.desktop. It does not know the product; it could be served by anybody.
package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"time"
)

//go:embed desktop.css desktop.js icon.svg plain.js selkies1.js selkies2.js stream.js webrtc.js
var content embed.FS

//go:embed index.html
var index string

// Client is the page for one protocol.
type Client struct {
	// StandIn is what the desktop is a test double for.
	StandIn string
	// Scripts come after desktop.js. Path is told to them.
	Scripts []string
	Path    string
}

// The clients.
var (
	Selkies1           = Client{StandIn: "Selkies 1.6", Scripts: []string{"webrtc.js", "selkies1.js"}}
	Selkies2WebRTC     = Client{StandIn: "Selkies 2 (WebRTC)", Scripts: []string{"webrtc.js", "selkies2.js"}}
	Selkies2WebSockets = Client{StandIn: "Selkies 2 (WebSockets)", Scripts: []string{"stream.js"}, Path: "api/websockets"}
	LinuxServer        = Client{StandIn: "a linuxserver.io desktop", Scripts: []string{"stream.js"}, Path: "websockets"}
	Plain              = Client{StandIn: "a desktop on a plain WebSocket", Scripts: []string{"plain.js"}}
)

// policy allows what the pages need and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'"

// Handler serves a page at / and its files beside it.
func Handler(c Client) http.Handler {
	var page bytes.Buffer
	if err := template.Must(template.New("page").Parse(index)).Execute(&page, c); err != nil {
		panic(err) // the page and the clients are part of the program
	}
	files := http.FileServerFS(content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/" || r.URL.Path == "/index.html" {
			http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(page.Bytes()))
			return
		}
		files.ServeHTTP(w, r)
	})
}
