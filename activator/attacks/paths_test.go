package attacks

import (
	"fmt"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/token"
)

// aliceAt is alice's session where sessions are folders of one host.
const aliceAt = "/alice--desktops"

// detours are ways to write a path that leads out of where it begins.
var detours = map[string]string{
	"dots": "../", "escaped dots": "%2e%2e/", "one escaped dot": ".%2e/", "an escaped slash": "..%2f", "all escaped": "%2e%2e%2f",
	"capital escapes":    "%2E%2E%2F",
	"escapes of escapes": "%252e%252e%252f", "a backslash": "..\\", "an escaped backslash": "..%5c", "overlong UTF-8": "%c0%ae%c0%ae%c0%af",
	"wide dots":   "%ef%bc%8e%ef%bc%8e/",
	"a parameter": "..;/", "an escaped parameter": "..%3b/", "four dots": "....//", "NUL": "..%00/", "a line's end": "..%0d%0a/", "a tab": "..%09/",
	"a dot between": "./../", "slashes": "//../",
}

// paths are those by which a stranger asks for what is not theirs.
func paths(h *house) (all []attack) {
	add := func(name, sent, want string, why *closing.Refusal) {
		all = append(all, attack{name: name, who: stranger, sent: sent, want: want, why: why})
	}
	// The pages' style and script are everybody's; what is beside them is not.
	for name, up := range detours {
		all = append(all, attack{name: "from the assets to the state by " + name, who: stranger, sent: get("/_vdi/assets/"+up+"status", victim), want: "404",
			never: []string{"state"}})
		add("to the assets by "+name, get("/x/"+up+"_vdi/assets/shell.js", victim), "401", closing.NoToken)
	}
	for name, at := range map[string]string{
		"the state": "/_vdi/status", "the events": "/_vdi/events", "the assets without a slash": "/_vdi/assets",
		"the assets in capitals": "/_VDI/assets/shell.js", "the assets behind a slash": "//_vdi/assets/shell.js",
		"the assets in another folder": "/x/_vdi/assets/shell.js", "the assets with a parameter": "/_vdi;x/assets/shell.js",
		"the assets behind a backslash": "/%5c_vdi/assets/shell.js", "the assets escaped twice": "/%255fvdi/assets/shell.js",
		"TURN credentials": "/turn", "TURN credentials with a service": "/turn?service=turn", "the mode": "/api/status",
		"the pods' announcements": "/v1/announce", "the pods' activity": "/v1/activity", "metrics": "/metrics", "liveness": "/healthz", "readiness": "/readyz",
		"a profile": "/debug/pprof/", "a confirmation": "/.well-known/knative/revision/desktops/alice",
		"a worker": "/sw.js", "a file of the system": "/etc/passwd", "a secret": "/var/run/secrets/kubernetes.io/serviceaccount/token",
	} {
		add(name, get(at, victim), "401", closing.NoToken)
		if strings.HasPrefix(at, "/v1/") || strings.HasPrefix(at, "/_vdi/s") {
			add(name+" by POST", post(at), "401", closing.NoToken)
		}
		add(name+" at an unknown host", get(at, "carol--desktops."+domain), "404", closing.UnknownHost)
	}
	for _, at := range []string{"/_vdi/activity", "/_vdi/wake", "/_vdi/take", "/_vdi/nothing", "/%5fvdi/wake", "/_vdi%2fwake", "/_vdi/./wake", "/_vdi/wake/",
		"/_vdi//wake"} {
		add("POST "+at, post(at), "401", closing.NoToken)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "HEAD", "get", "PURGE", "X-Y_Z~"} {
		add(method, request(method+" / HTTP/1.1", "Host: "+victim, "Connection: close"), "401", closing.NoToken)
	}
	add("CONNECT to her host", request("CONNECT "+victim+":443 HTTP/1.1", "Host: "+victim), "401", closing.NoToken)
	add("CONNECT to elsewhere", request("CONNECT 169.254.169.254:80 HTTP/1.1", "Host: 169.254.169.254:80"), "404", closing.UnknownHost)
	add("CONNECT to elsewhere by her host", request("CONNECT 169.254.169.254:80 HTTP/1.1", "Host: "+victim), "404", closing.UnknownHost)
	add("CONNECT to a path", request("CONNECT /_vdi/wake HTTP/1.1", "Host: "+victim), "401", closing.NoToken)
	add("a star", request("OPTIONS * HTTP/1.1", "Host: "+victim), "401", closing.NoToken)
	add("a star that is got", request("GET * HTTP/1.1", "Host: "+victim), "401", closing.NoToken)
	for name, line := range map[string]string{
		"a path without a slash": "GET status HTTP/1.1", "no path": "GET  HTTP/1.1", "a space within": "GET /a b HTTP/1.1",
		"a tab within": "GET /a\tb HTTP/1.1", "NUL": "GET /\x00 HTTP/1.1", "DEL": "GET /\x7f HTTP/1.1",
		"a broken escape": "GET /%zz HTTP/1.1", "half an escape": "GET /%2 HTTP/1.1", "a colon first": "GET :80/ HTTP/1.1",
		"a method of braces": "{} / HTTP/1.1", "a method of a colon": "GE:T / HTTP/1.1", "no method": " / HTTP/1.1", "a method in quotes": "\"GET\" / HTTP/1.1",
		"a line's end in the path": "GET /\r HTTP/1.1",
	} {
		add(name, request(line, "Host: "+victim), "400", closing.MalformedHead)
	}
	add("no HTTP", "hello there\r\n\r\n", "400", closing.MalformedHead)
	add("a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400", closing.MalformedHead)
	for name, at := range map[string]string{"a fragment": "/#/../_vdi/wake", "a question mark": "/?", "question marks": "/????",
		"60 KB": "/" + strings.Repeat("a", 60000), "a thousand folders": strings.Repeat("/a", 1000), "no UTF-8": "/\xff",
		"another address": "/http://169.254.169.254/", "an opaque one": "https:" + victim} {
		add(name, get(at, victim), "401", closing.NoToken)
	}
	// The pods' port has nothing of the visitors'.
	for _, at := range []string{"/", "/_vdi/status", "/_vdi/assets/shell.js", "/_vdi/wake", "/ws", "/websockify", "/metrics", "/debug/pprof/", "/healthz",
		"/v1/", "/v1/announce/x", "/v2/announce", "/turn/x", "/..%2fturn"} {
		all = append(all, attack{name: "the pods' port: " + at, who: shell, internal: true, sent: get(at, victim, h.cookie()), want: "404"})
	}
	for _, at := range []string{"//v1/announce", "/x/../turn", "/./turn"} {
		all = append(all, attack{name: "the pods' port: " + at, who: shell, internal: true, sent: get(at, victim, h.cookie()), want: "307"})
	}
	return all
}

// insidersPaths are a visitor's of the session: what is ours never reaches the desktop, and
// whatever does is a path of hers.
func insidersPaths(h *house) (all []attack) {
	cookie := h.cookie()
	for name, at := range map[string]string{
		"as it is": "/_vdi/secret", "an escaped underscore": "/%5fvdi/secret", "an escaped slash": "/_vdi%2fsecret", "all escaped": "%2f_vdi%2fsecret",
		"letters escaped": "/_%76%64%69/secret", "capital escapes": "/%5Fvdi/secret",
		"a detour behind": "/_vdi/../secret", "an escaped detour behind": "/_vdi/%2e%2e/secret", "a slash more": "/_vdi//secret", "a query": "/_vdi/?/../x",
		"a parameter": "/_vdi/;x", "NUL": "/_vdi/%00",
	} {
		if !strings.HasPrefix(at, "/") {
			at = "/_vdi/" + at
		}
		all = append(all, attack{name: "our folder, " + name, who: insider, sent: get(at, victim, cookie, "Test: "+name), want: "404"})
	}
	for _, at := range []string{"/_vdi/wake", "/_vdi/take", "/_vdi/activity", "/%5fvdi/wake"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"} {
			all = append(all, attack{name: method + " " + at, who: insider,
				sent: request(method+" "+at+" HTTP/1.1", "Host: "+victim, "Connection: close", cookie), want: "405"})
		}
	}
	passes := func(name, sent string) {
		all = append(all, attack{name: name, who: insider, sent: sent, want: "200", reaches: 1,
			never: []string{"__Host-", "169.254.169.254:80"}})
	}
	for name, up := range detours {
		passes("what is no folder of ours, by "+name, get("/x/"+up+"_vdi/wake", victim, cookie))
	}
	passes("an address of elsewhere in the path", get("/http://169.254.169.254/", victim, cookie))
	passes("two slashes and a host", get("//evil.example/", victim, cookie))
	passes("a host in the address with a user", request("GET http://a:b@"+victim+"/ HTTP/1.1", "Host: evil.example", "Connection: close", cookie))
	for name, at := range map[string]string{"the root": "/sw.js", "a dot's folder": "/./sw.js", "a detour": "/x/../sw.js",
		"an escaped detour": "/x/%2e%2e/sw.js", "two slashes": "//sw.js"} {
		all = append(all, attack{name: "a worker at " + name, who: insider, sent: get(at, victim, cookie, "Service-Worker: script"), want: "403"})
	}
	return all
}

// folders are sessions' where all have one host.
func folders(h *house) (all []attack) {
	bobs := "Cookie: __Secure-vdi-session=" + h.Token(token.AudienceSession, h.bob, 0)
	add := func(name, at, host string, want string, why *closing.Refusal) {
		all = append(all, attack{name: name, who: neighbour, sent: get(at, host, bobs), want: want, why: why})
	}
	for name, at := range map[string]string{
		"the root": "/", "nobody's": "/carol--desktops/", "escapes": "/%61lice--desktops/", "an escaped slash": aliceAt + "%2F",
		"two slashes": "/" + aliceAt + "/", "capitals": "/ALICE--desktops/", "a dot before": "/." + aliceAt + "/",
		"a detour before": "/x/.." + aliceAt + "/", "an escaped detour": "/x%2f.." + aliceAt + "/", "a backslash": "/\\alice--desktops/",
		"a parameter": aliceAt + ";x/", "NUL": aliceAt + "%00/", "three hyphens": "/alice---desktops/", "her host's form": "/" + victim + "/",
		"our folder at the root": "/_vdi/status", "the confirmation's": "/v1/announce", "a hash": "/alice---aaaaaaaaaaaaaaaaaaaa/",
		"a dot behind": aliceAt + "./", "a space behind": aliceAt + "%20/", "a tab before": "/%09alice--desktops/",
	} {
		add("folder: "+name, at, domain, "404", closing.UnknownHost)
	}
	for name, up := range detours {
		if strings.HasPrefix(up, "//") {
			continue
		}
		// Bob's folder decides, wherever the rest leads: the visitor's token is for it. Here
		// somebody without one asks.
		all = append(all, attack{name: "from bob's folder by " + name, who: stranger, sent: get("/bob--desktops/"+up+"alice--desktops/", domain), want: "401",
			why: closing.NoToken})
		add("from hers by "+name, aliceAt+"/"+up+"bob--desktops/", domain, "403", closing.ForeignToken)
	}
	for name, at := range map[string]string{"hers": aliceAt + "/", "the state": aliceAt + "/_vdi/status", "TURN credentials": aliceAt + "/turn",
		"a WebSocket's": aliceAt + "/websockify"} {
		add(name, at, domain, "403", closing.ForeignToken)
		add(name+" on a port", at, domain+":444", "403", closing.ForeignToken)
		add(name+" on another host", at, "evil.example", "404", closing.UnknownHost)
		add(name+" on a session's host", at, victim, "404", closing.UnknownHost)
		all = append(all, attack{name: name + " from another site", who: page,
			sent: get(at, domain, fmt.Sprintf("Cookie: __Secure-vdi-session=%s", h.Token(token.AudienceSession, h.alice, 0)), "Origin: https://evil.example"),
			want: "403", why: closing.ForeignOrigin})
	}
	return all
}
