package clientcache

import (
	"bytes"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

// clientTypes are the media types that clients are made of.
var clientTypes = []string{
	"text/html", "text/css", "text/javascript", "application/javascript", "application/x-javascript", "application/wasm",
	"application/manifest+json", "image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/x-icon", "image/vnd.microsoft.icon",
	"font/woff", "font/woff2", "font/ttf", "font/otf", "application/font-woff", "application/font-woff2",
}

// fonts are the endings of font files' names, and fontMagic what such files begin with.
// Many web servers, Selkies 1.6's for one, know no media type for them.
var (
	fonts     = []string{".woff2", ".woff", ".ttf", ".otf"}
	fontMagic = []string{"wOF2", "wOFF", "OTTO"}
)

// untyped are the media types of a server that knows none.
var untyped = []string{"", "application/octet-stream", "binary/octet-stream"}

// keptHeader are the fields of an answer that are served again. An answer may have
// others, which are not.
var keptHeader = []string{
	"Content-Type", "Content-Encoding", "Content-Language", "Etag", "Last-Modified", "Vary",
	"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy",
	"Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy", "Cross-Origin-Resource-Policy",
}

// asksForClient says that a request has the same answer for each of the session's
// visitors: it carries no credentials but those that are stripped before a desktop sees
// them.
func (c *Cache) asksForClient(r *http.Request) bool {
	if r.Method != http.MethodGet || len(r.URL.RequestURI()) > maxPath {
		return false
	}
	h := r.Header.Clone()
	c.filter.Request(h)
	return !c.filter.Personal(h)
}

// mayKeep says that an answer to such a request is a part of the client and nobody's
// own; with byMagic, that it is if it begins as a font does.
func mayKeep(r *http.Request, status int, h http.Header) (keep, byMagic bool) {
	if r.Method != http.MethodGet || status != http.StatusOK || len(h.Values("Set-Cookie")) > 0 || len(h.Values("Trailer")) > 0 {
		return false, false
	}
	for _, d := range members(h, "Cache-Control") {
		if name, _, _ := strings.Cut(d, "="); name == "private" || name == "no-store" {
			return false, false
		}
	}
	for _, name := range members(h, "Vary") {
		if name != "accept-encoding" && name != "sec-fetch-dest" { // which every answer here has
			return false, false
		}
	}
	kind := ""
	if given := h.Get("Content-Type"); given != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(given); err != nil {
			return false, false
		}
	}
	name := strings.ToLower(path.Base(r.URL.Path))
	switch {
	case slices.Contains(clientTypes, kind):
		return true, false
	case kind == "application/json":
		// Manifests often have the type of any JSON, which usually is no client file.
		return name == "manifest.json", false
	case !slices.Contains(untyped, kind):
		return false, false
	}
	return true, !slices.Contains(fonts, path.Ext(name))
}

// isFont says that a file begins as fonts do.
func isFont(begins []byte) bool {
	return slices.ContainsFunc(fontMagic, func(m string) bool { return bytes.HasPrefix(begins, []byte(m)) })
}

// wantsFresh says that a person reloads past all caches.
func wantsFresh(r *http.Request) bool {
	return slices.Contains(members(r.Header, "Cache-Control"), "no-cache") || r.Header.Get("Pragma") == "no-cache"
}

// understands says that the client can read the content's encoding.
func understands(r *http.Request, encoding string) bool {
	if encoding == "" {
		return true
	}
	for _, offered := range members(r.Header, "Accept-Encoding") {
		name, quality, _ := strings.Cut(offered, ";")
		if strings.TrimSpace(name) == strings.ToLower(encoding) && strings.ReplaceAll(quality, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// members are the members of a comma-separated field, in lower case.
func members(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for member := range strings.SplitSeq(line, ",") {
			out = append(out, strings.ToLower(strings.TrimSpace(member)))
		}
	}
	return out
}

func kept(h http.Header) http.Header {
	out := h.Clone()
	maps.DeleteFunc(out, func(name string, _ []string) bool { return !slices.Contains(keptHeader, name) })
	return out
}
