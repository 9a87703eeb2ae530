// Package route knows where visitors find sessions: each at a host of its own, or each
// in a folder of one host. Nothing else in the data plane knows which of the two it is.
//
// It promises that a request and its answer are translated both ways: a desktop sees
// the addresses of a host's root, and its visitor those of the session. It does not
// know which sessions there are.
package route

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/org/vdi-operator/pkg/config"
)

// Routing finds sessions' addresses in requests.
type Routing struct {
	scheme string
	byPath bool
}

// New makes the routing of an installation.
func New(u config.URL) Routing { return Routing{scheme: u.Scheme, byPath: u.ByPath()} }

// Place is where a request leads.
type Place struct {
	// Address is as config.URL.SessionAddress writes it, if it is a session's.
	Address string
	Face
}

// Of says where a request leads.
func (rt Routing) Of(r *http.Request) Place {
	return rt.at(r.Host, r.URL)
}

func (rt Routing) at(hostport string, u *url.URL) Place {
	host := Host(hostport, rt.scheme)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	p := Place{Address: host, Face: Face{Scheme: rt.scheme}}
	if !rt.byPath {
		return p
	}
	// As it was written: a session's folder needs no escapes, and with some it is
	// no session's.
	folder, _, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	p.Prefix = "/" + folder
	p.Address += p.Prefix
	return p
}

// Meant is where a request for no session's address was meant to go, as a path on its
// host; empty where that is not known. Web clients that take themselves for the only one
// on their host ask for such addresses, Selkies 1.6's for /turn (v1.6.2, app.js:825).
// Browsers name the page that asks in Referer; known says which addresses are sessions'.
//
// What a Referer says is believed for no more than where to ask instead: who asks there
// is checked like everybody.
func (rt Routing) Meant(r *http.Request, known func(address string) bool) string {
	if !rt.byPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return ""
	}
	from, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || Host(from.Host, rt.scheme) != Host(r.Host, rt.scheme) {
		return ""
	}
	page := rt.at(from.Host, from)
	if !known(page.Address) {
		return ""
	}
	return page.Outside(r.URL)
}
