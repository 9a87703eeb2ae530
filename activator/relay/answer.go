package relay

import (
	"context"
	"net/http"
	"net/http/httptrace"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/route"
)

// dropped are fields of a desktop's answer that would change more than this answer: what
// the browser keeps of the host or its domain, and what a proxy in front does with it.
// docs/security.md has the reasons.
var dropped = []string{
	"Clear-Site-Data", "Alt-Svc", "Nel", "Report-To", "Strict-Transport-Security", "Public-Key-Pins", "Expect-Ct",
	"X-Sendfile*", "X-Lighttpd-*", "X-Litespeed-*", "X-Accel-*", "X-Reproxy-*", "X-Envoy-*", "Surrogate-*", "X-Proxy-Cache-Control",
	"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Akamai-Cache-Control", "Netlify-Cdn-Cache-Control", "Vercel-Cdn-Cache-Control",
	"Edge-Control", "Edge-Cache-Tag", "Cache-Tag", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Status",
	"Secure-Session-Registration", "Sec-Session-Registration",
}

// fetchDest is the field by which browsers say what they load something for.
const fetchDest = "Sec-Fetch-Dest"

// filterAnswer drops them, and a worker's larger scope where no worker was asked for or
// where it is not the session's. What the browser keeps of a frame or for a script it does not
// show as a page: the page around the desktop has the same address.
func filterAnswer(h http.Header, in *http.Request, face route.Face) {
	for name := range h {
		if auth.Matches(dropped, name) {
			delete(h, name)
		}
	}
	if in.Header.Get("Service-Worker") != "script" || face.Prefix != "" {
		h.Del("Service-Worker-Allowed")
	}
	if in.Header.Get(fetchDest) != "" {
		h.Add("Vary", fetchDest)
	}
}

// Rules are what holds for every request and its answer.
type Rules struct {
	// Filter is for credentials, both ways.
	Filter auth.Filter
	// HeadBytes and HeadFields bound the head of an answer.
	HeadBytes, HeadFields int
}

// fields bounds the number of a head's fields.
func (r *Rules) fields(h http.Header) error {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	if n > r.HeadFields {
		return closing.DesktopHeaderFields.Ending(r.HeadFields)
	}
	return nil
}

// plain is a transport of final answers alone. It passes no trailers and no informational
// answers: both would escape the filter of a header, and browsers have no use for them.
type plain struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := p.Transport.RoundTrip(r.WithContext(untraced{r.Context()}))
	if err != nil {
		return nil, err
	}
	// The body writes trailers into the answer that it belongs to: that is another one now.
	without := *answer
	without.Trailer = nil
	return &without, nil
}

// untraced hides the trace by which a proxy learns of informational answers. Without one
// the transport skips them, and counts their bytes as the head's.
type untraced struct{ context.Context }

// Value implements context.Context.
func (u untraced) Value(key any) any {
	value := u.Context.Value(key)
	if _, is := value.(*httptrace.ClientTrace); is {
		return nil
	}
	return value
}
