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
	"os"
	"path"
	"path/filepath"
	"time"
)

//go:embed desktop.css desktop.js fonts fonts.css icon.svg linuxserver.js mode.js plain.js selkies1.js selkies2.js stream.js webrtc.js
var content embed.FS

//go:embed index.html
var index string

// Client is the page for one protocol.
type Client struct {
	// StandIn is what the desktop is a test double for.
	StandIn string
	// Styles come after desktop.css, Scripts after desktop.js.
	Styles  []string
	Scripts []string
}

// selkies2 are the scripts of both modes: the page finds out which one the desktop is in.
var selkies2 = []string{"webrtc.js", "selkies2.js", "stream.js", "mode.js"}

// The clients.
var (
	Selkies1           = Client{StandIn: "Selkies 1.6", Styles: []string{"fonts.css"}, Scripts: []string{"webrtc.js", "selkies1.js"}}
	Selkies2WebRTC     = Client{StandIn: "Selkies 2 (WebRTC)", Scripts: selkies2}
	Selkies2WebSockets = Client{StandIn: "Selkies 2 (WebSockets)", Scripts: selkies2}
	LinuxServer        = Client{StandIn: "a linuxserver.io desktop", Scripts: []string{"stream.js", "linuxserver.js"}}
	Plain              = Client{StandIn: "a desktop on a plain WebSocket", Scripts: []string{"plain.js"}}
)

// policy allows what the pages need and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'"

// Handler serves a page at / and its files beside it.
func Handler(c Client) http.Handler {
	page := c.page()
	files := http.FileServerFS(content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/" || r.URL.Path == "/index.html" {
			http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(page))
			return
		}
		if path.Ext(r.URL.Path) == ".ttf" {
			// Selkies 1.6 knows the types of four extensions, and this is none of them
			// (signalling_web.py, MIME_TYPES).
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		files.ServeHTTP(w, r)
	})
}

// Write puts the page and its files into a folder, for another program to serve.
func Write(c Client, dir string) error {
	if err := os.CopyFS(dir, content); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), c.page(), 0o644)
}

func (c Client) page() []byte {
	var page bytes.Buffer
	if err := template.Must(template.New("page").Parse(index)).Execute(&page, c); err != nil {
		panic(err) // the page and the clients are part of the program
	}
	return page.Bytes()
}
