// Package look is what all pages of this product share, so that the portal and the page around a
// desktop look as one: base.css and icon.svg.
//
// It promises that assets hold nothing private, and that no folder of them is listed.
package look

import (
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"unicode/utf8"
)

//go:embed assets
var files embed.FS

// Assets serves below prefix what is in own, and what all pages share.
func Assets(prefix string, own fs.FS) http.Handler {
	shared, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	server := http.StripPrefix(prefix, http.FileServerFS(both{own, shared}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// No file's name may be anything but UTF-8.
		if !utf8.ValidString(r.URL.Path) || strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

// both are two folders as one; the first wins.
type both struct{ first, second fs.FS }

// Open implements fs.FS.
func (b both) Open(name string) (fs.File, error) {
	f, err := b.first.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b.second.Open(name)
	}
	return f, err
}

// Policy is the Content-Security-Policy of a page in this style: its own styles and script, pictures
// from wherever they are, and forms that end at these sources alone.
func Policy(forms ...string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action " + strings.Join(forms, " ")
}
