package relay

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

const (
	// idleConnTimeout closes a desktop's idle connection long before a desktop that
	// went to sleep could be mistaken for one that is there.
	idleConnTimeout = 10 * time.Second
	// idleConnsPerDesktop is enough for a page's parallel loads.
	idleConnsPerDesktop = 8
)

// HTTP passes plain requests to desktops.
type HTTP struct {
	scheme string
	proxy  *httputil.ReverseProxy
}

type connKey struct{}

// NewHTTP makes a proxy that tells desktops the scheme that visitors use. failed
// answers a request whose desktop broke off.
func NewHTTP(scheme string, log *slog.Logger, failed func(http.ResponseWriter, *http.Request, error)) *HTTP {
	h := &HTTP{scheme: scheme}
	var dialer net.Dialer
	h.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header = headerForDesktop(p.In, scheme)
			p.Out.URL = pathForDesktop(p.In.URL)
			p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.Context().Value(connKey{}).(net.Conn).RemoteAddr().String()
			p.Out.Host = p.In.Host
		},
		Transport: &http.Transport{
			// The connection by which the desktop was reached is used first.
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if conn, ok := ctx.Value(connKey{}).(*lent); ok && conn.take() {
					return conn.Conn, nil
				}
				return dialer.DialContext(ctx, network, addr)
			},
			IdleConnTimeout:     idleConnTimeout,
			MaxIdleConnsPerHost: idleConnsPerDesktop,
			DisableCompression:  true,
		},
		FlushInterval: -1,
		ErrorHandler:  failed,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return h
}

// Serve passes one request to the desktop at the other end of conn, which it
// closes or keeps for later.
func (h *HTTP) Serve(w http.ResponseWriter, r *http.Request, conn net.Conn) {
	l := &lent{Conn: conn}
	defer l.giveBack()
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, net.Conn(l))))
}
