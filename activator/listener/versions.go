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
		if d.retiring.Load() {
			w.Header().Set("Connection", "close")
		}
		if why := unspoken(r); why != nil {
			d.refused(why, r.RemoteAddr)
			// A body that trickles in must not keep the connection.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d.limits.HeaderTimeout.Duration))
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
