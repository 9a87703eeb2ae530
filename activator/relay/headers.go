package relay

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/route"
)

// hopByHop headers end at this hop (RFC 9110, section 7.6.1); what belongs to the
// WebSocket handshake is made anew for each side.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol", "Sec-Websocket-Accept",
}

// headerForDesktop is what a desktop gets of a visitor's header: nobody's credentials but
// its own, no Origin (it was checked here, and desktops compare it
// with a host or scheme that they may not know), who forwarded it, and from which
// folder.
func headerForDesktop(in *http.Request, face route.Face, filter auth.Filter) http.Header {
	out := in.Header.Clone()
	for _, named := range in.Header.Values("Connection") {
		for name := range strings.SplitSeq(named, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		out.Del(name)
	}
	out.Del("Origin")
	filter.Request(out)
	if ip, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		out.Set("X-Forwarded-For", strings.Join(slices.Concat(in.Header.Values("X-Forwarded-For"), []string{ip}), ", "))
	}
	out.Set("X-Forwarded-Host", in.Host)
	out.Set("X-Forwarded-Proto", face.Scheme)
	out.Del("X-Forwarded-Prefix")
	if face.Prefix != "" {
		out.Set("X-Forwarded-Prefix", face.Prefix)
	}
	return out
}

// pathForDesktop is the visitor's path and query without a link's token. Nothing
// else of an address that names a host or is no path reaches a desktop.
func pathForDesktop(in *url.URL) *url.URL {
	out := &url.URL{Path: in.Path, RawPath: in.RawPath, ForceQuery: in.ForceQuery, RawQuery: in.RawQuery}
	auth.StripQuery(out)
	return out
}
