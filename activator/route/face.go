package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Face is how visitors see a session.
type Face struct {
	// Scheme is what visitors use, http or https.
	Scheme string
	// Prefix is the session's folder on its host, without a slash at its end; empty where
	// it has the host for itself.
	Prefix string
}

// Base is the session's folder, with a slash at both ends.
func (f Face) Base() string { return f.Prefix + "/" }

// Bare says that a request names the session's folder without the slash at its end, by
// which browsers would resolve its pages' relative links against the folder above.
func (f Face) Bare(r *http.Request) bool { return f.Prefix != "" && r.URL.EscapedPath() == f.Prefix }

// Inside is a visitor's request with the address that it would have at a host's root.
func (f Face) Inside(r *http.Request) *http.Request {
	if f.Prefix == "" {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	u := *r.URL
	u.Path, u.RawPath = inside(u.Path, f.Prefix), inside(u.RawPath, f.Prefix)
	r.URL = &u
	return r
}

// InsideURI is Inside for a path with its query.
func (f Face) InsideURI(uri string) string {
	if f.Prefix == "" || !f.within(uri) {
		return uri
	}
	return inside(uri, f.Prefix)
}

func inside(path, prefix string) string {
	if path == "" {
		return ""
	}
	if path = strings.TrimPrefix(path, prefix); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// Outside is an address at a host's root as visitors see it, as a link on their own host
// whatever the path: "//evil.example/" must not become another host.
func (f Face) Outside(u *url.URL) string {
	at := url.URL{Path: u.Path, RawPath: u.RawPath, ForceQuery: u.ForceQuery, RawQuery: u.RawQuery}
	return f.Base() + strings.TrimLeft(at.RequestURI(), "/\\")
}

// WithoutQuery is a query without the parameters of these names, the rest as it was written.
func WithoutQuery(raw string, names ...string) string {
	pairs := slices.DeleteFunc(strings.Split(raw, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		return err == nil && slices.Contains(names, plain)
	})
	return strings.Join(pairs, "&")
}

// within says that a path is in the session's folder.
func (f Face) within(path string) bool {
	rest, ok := strings.CutPrefix(path, f.Prefix)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], "/?#"))
}

// Answer translates what a desktop at a host's root says in its answer's header, to a
// visitor who knows it by host: where else to go, and for which paths a cookie is.
// Addresses that are in the session's folder already are those of a desktop that goes by
// X-Forwarded-Prefix.
func (f Face) Answer(h http.Header, host string) {
	if f.Prefix == "" {
		return
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if to := h.Get(name); to != "" {
			h.Set(name, f.link(to, host))
		}
	}
	// Not parsed and written anew: a desktop's cookie may have attributes that are newer
	// than this program.
	for i, cookie := range h["Set-Cookie"] {
		h["Set-Cookie"][i] = f.cookie(cookie)
	}
}

func (f Face) link(to, host string) string {
	u, err := url.Parse(to)
	if err != nil || u.Opaque != "" || u.Host != "" && Host(u.Host, f.Scheme) != Host(host, f.Scheme) {
		return to // elsewhere
	}
	if u.Host == "" && !strings.HasPrefix(u.Path, "/") || f.within(u.EscapedPath()) {
		return to // relative to where the visitor is, or translated by the desktop
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if u.RawPath != "" {
		u.RawPath = f.Prefix + u.RawPath
	}
	u.Path = f.Prefix + u.Path
	return u.String()
}

func (f Face) cookie(c string) string {
	parts := strings.Split(c, ";")
	for i, part := range parts {
		name, path, _ := strings.Cut(part, "=")
		path = strings.TrimSpace(path)
		if i == 0 || !strings.EqualFold(strings.TrimSpace(name), "Path") || !strings.HasPrefix(path, "/") || f.within(path) {
			continue
		}
		parts[i] = " Path=" + f.Prefix + path
	}
	return strings.Join(parts, ";")
}
