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
	"sync"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

// idleTimeout closes a visitor's idle keep-alive connection.
const idleTimeout = 2 * time.Minute

// Admission lets connections in.
type Admission struct {
	limits  config.Limits
	proxies Proxies
	metrics *metrics.Activator
	log     *slog.Logger

	mu            sync.Mutex
	pending, idle int
	// from counts the pending connections of each address that is one client's.
	from map[netip.Prefix]int
}

// New makes an admission.
func New(l config.Limits, p Proxies, m *metrics.Activator, log *slog.Logger) *Admission {
	return &Admission{limits: l, proxies: p, metrics: m, log: log, from: map[netip.Prefix]int{}}
}

// Server serves h within the limits; it must be given a listener of this admission.
func (d *Admission) Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           d.handler(h),
		ReadHeaderTimeout: d.limits.HeaderTimeout.Duration,
		MaxHeaderBytes:    d.limits.HeaderBytes,
		IdleTimeout:       idleTimeout,
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
		from := l.admission.client(tcp.RemoteAddr())
		if why := l.admission.enter(from); why != nil {
			l.admission.refused(why, tcp.RemoteAddr().String())
			_, _ = tcp.Write(rawAnswer(why))
			_ = tcp.Close()
			continue
		}
		return &conn{TCPConn: tcp, admission: l.admission, from: from}, nil
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

// enter counts a connection in, or says which limit keeps it out.
func (d *Admission) enter(from netip.Prefix) *closing.Refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending >= d.limits.PendingConnections {
		return closing.Pending
	}
	if from.IsValid() {
		if d.from[from] >= d.limits.PendingConnectionsPerAddress {
			return closing.PendingPerAddress
		}
		d.from[from]++
	}
	d.pending++
	d.metrics.Pending.Set(float64(d.pending))
	return nil
}

// leave counts a connection out that has asked for something or is gone.
func (d *Admission) leave(from netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending--
	d.metrics.Pending.Set(float64(d.pending))
	if from.IsValid() {
		if d.from[from]--; d.from[from] == 0 {
			delete(d.from, from)
		}
	}
}

// rest keeps a connection for further requests, or says that there are too many.
func (d *Admission) rest() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle >= d.limits.IdleConnections {
		return false
	}
	d.idle++
	d.metrics.Idle.Set(float64(d.idle))
	return true
}

// rise ends what rest began.
func (d *Admission) rise() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle--
	d.metrics.Idle.Set(float64(d.idle))
}

func (d *Admission) refused(why *closing.Refusal, from string) {
	d.metrics.Refused(why.Label)
	d.log.Debug("refused a connection", "reason", why.Label, "from", from)
}
