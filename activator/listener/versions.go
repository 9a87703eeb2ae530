package listener

import (
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/org/vdi-operator/activator/closing"
)

// handler notes that a request has come and refuses those that ask for a version of
// HTTP that is not spoken here.
func (d *Admission) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.arrived()
		}
		if d.retiring.Load() || d.resting.Load() >= int64(d.limits.IdleConnections) || !delimited(r) {
			w.Header().Set("Connection", "close")
		}
		if why := unspoken(r); why != nil {
			d.refused(why, r.RemoteAddr)
			// Neither a body that trickles in nor an answer that is not read may keep the connection.
			control, within := http.NewResponseController(w), time.Now().Add(d.limits.HeaderTimeout.Duration)
			_, _ = control.SetReadDeadline(within), control.SetWriteDeadline(within)
			w.Header().Set("Connection", "close")
			why.Ending().Answer(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unspoken says why a request is refused for its version. net/http lets these through
// to the handler: the preface of HTTP/2 as a request PRI, the others as they are.
func unspoken(r *http.Request) *closing.Refusal {
	switch {
	case r.ProtoMajor != 1:
		return closing.HTTP2
	case httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "h2c"):
		return closing.H2CUpgrade
	case !r.ProtoAtLeast(1, 1) && r.Header.Get("Upgrade") != "":
		return closing.HTTP10Upgrade
	}
	return nil
}

// delimited says that everybody sees where the request ends. A connection that a proxy in front
// may use for others must not go on after any other: net/http drops a length beside chunks,
// and with HTTP/1.0 the chunks, without a trace (RFC 9112, section 6.1).
func delimited(r *http.Request) bool { return r.ProtoAtLeast(1, 1) && len(r.TransferEncoding) == 0 }
