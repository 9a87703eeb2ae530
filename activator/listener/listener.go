// Package listener admits visitors' connections: it bounds those that have not
// asked for anything yet, ends those that never ask properly, and says why.
//
// It promises that each connection which net/http gives up before a request is
// counted by its reason, and that NetConn gives a hijacked connection without the
// listener. It knows neither sessions nor tokens.
package listener

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/sendqueue"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

// KeepAlive is how long a connection is kept open for another request, unless the server
// is given another IdleTimeout.
const KeepAlive = 2 * time.Minute

// Admission lets connections in.
type Admission struct {
	limits  config.Limits
	proxies Proxies
	metrics *metrics.Activator
	log     *slog.Logger

	// pending are by the address that is one client's; see client.
	pending *limit.Places[netip.Prefix]
	// resting counts connections between two requests.
	resting atomic.Int64
	// retiring is set once connections are closed after their request.
	retiring atomic.Bool
}

// New makes an admission.
func New(l config.Limits, p Proxies, m *metrics.Activator, log *slog.Logger) *Admission {
	return &Admission{limits: l, proxies: p, metrics: m, log: log,
		pending: limit.NewPlaces[netip.Prefix](limit.Bound{Places: l.PendingConnections, Beyond: closing.Pending},
			limit.Bound{Places: l.PendingConnectionsPerAddress, Beyond: closing.PendingPerAddress}, m.Pending)}
}

// Retire closes each connection after its next request and says so in the answer: a proxy
// sends no request into one that is being closed, which it would answer with 502. One that
// has no request until the port closes is closed unannounced, but not before, as
// http.Server.SetKeepAlivesEnabled would.
func (d *Admission) Retire() { d.retiring.Store(true) }

// Server serves h within the limits; it must be given a listener of this admission.
func (d *Admission) Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           d.handler(h),
		ReadHeaderTimeout: d.limits.HeaderTimeout.Duration,
		MaxHeaderBytes:    d.limits.HeaderBytes,
		IdleTimeout:       KeepAlive,
		// net/http's own answer to "OPTIONS *" would not come by the handler.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if c, ok := c.(*conn); ok && state == http.StateIdle {
				c.awaits()
			}
		},
	}
}

// Listener lets the connections of l in, within the limits.
func (d *Admission) Listener(l *net.TCPListener) net.Listener {
	return &listener{TCPListener: l, admission: d}
}

type listener struct {
	*net.TCPListener
	admission *Admission
}

// rawAnswer is the answer to a connection over a limit, before there is a request. A new
// socket has room for it, so that writing it does not wait.
func rawAnswer(why *closing.Refusal) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\nConnection: close\r\n\r\n%s\n",
		why.Status, http.StatusText(why.Status), why.Text)
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		tcp, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		leave, err := l.admission.pending.Acquire(l.admission.client(tcp.RemoteAddr()))
		if err != nil {
			why := closing.Of(err).Refusal
			l.admission.refused(why, tcp.RemoteAddr().String())
			_, _ = tcp.Write(rawAnswer(why))
			_ = tcp.Close()
			continue
		}
		sendqueue.Bound(tcp)
		return &conn{TCPConn: tcp, admission: l.admission, left: leave}, nil
	}
}

// client says whose connection it is. The zero value is for connections of trusted
// proxies, which carry many clients.
func (d *Admission) client(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if d.proxies.Trusted(addr) {
		return netip.Prefix{}
	}
	return Network(addr)
}

// rest keeps a connection for further requests, or says that there are too many.
func (d *Admission) rest() bool {
	if d.resting.Add(1) > int64(d.limits.IdleConnections) {
		d.resting.Add(-1)
		return false
	}
	d.metrics.Idle.Inc()
	return true
}

// rise ends what rest began.
func (d *Admission) rise() {
	d.resting.Add(-1)
	d.metrics.Idle.Dec()
}

func (d *Admission) refused(why *closing.Refusal, from string) {
	d.metrics.Refused(why.Label)
	d.log.Debug("refused a connection", "reason", why.Label, "from", from)
}
