package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
)

// HTTP passes plain requests to desktops.
type HTTP struct {
	scheme string
	proxy  *httputil.ReverseProxy
}

type connKey struct{}

var errTaken = errors.New("the connection to the desktop was used already")

// NewHTTP makes a proxy that tells desktops the scheme that visitors use. failed
// answers a request whose desktop broke off.
func NewHTTP(scheme string, log *slog.Logger, failed func(http.ResponseWriter, *http.Request, error)) *HTTP {
	h := &HTTP{scheme: scheme}
	h.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header = headerForDesktop(p.In, scheme)
			p.Out.URL = pathForDesktop(p.In.URL)
			p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.Context().Value(connKey{}).(net.Conn).RemoteAddr().String()
			p.Out.Host = p.In.Host
		},
		// Every request has its own connection, the one by which its desktop was
		// reached: an address may belong to another session's desktop a moment later,
		// and a connection kept for it would lead one visitor to another's desktop.
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if conn, ok := ctx.Value(connKey{}).(*lent); ok && conn.take() {
					return conn.Conn, nil
				}
				return nil, errTaken
			},
			DisableCompression: true,
		},
		FlushInterval: -1,
		ErrorHandler:  failed,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return h
}

// Serve passes one request to the desktop at the other end of conn, which it
// closes.
func (h *HTTP) Serve(w http.ResponseWriter, r *http.Request, conn net.Conn) {
	l := &lent{Conn: conn}
	defer l.giveBack()
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, net.Conn(l))))
}
