package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"

	"github.com/org/vdi-operator/activator/address"
)

// HTTP passes plain requests to desktops.
type HTTP struct{ proxy *httputil.ReverseProxy }

// passedKey finds what a request is passed by in its context.
type passedKey struct{}

type passed struct {
	conn *lent
	face address.Face
}

func passedBy(ctx context.Context) passed { return ctx.Value(passedKey{}).(passed) }

var errTaken = errors.New("the connection to the desktop was used already")

// NewHTTP makes a proxy. failed answers a request whose desktop broke off.
func NewHTTP(log *slog.Logger, failed func(http.ResponseWriter, *http.Request, error)) *HTTP {
	return &HTTP{&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			by := passedBy(p.In.Context())
			p.Out.Header = headerForDesktop(p.In, by.face)
			p.Out.URL = pathForDesktop(p.In.URL)
			p.Out.URL.Scheme, p.Out.URL.Host = "http", by.conn.RemoteAddr().String()
			p.Out.Host = p.In.Host
		},
		// Every request has its own connection, the one by which its desktop was
		// reached: an address may belong to another session's desktop a moment later,
		// and a connection kept for it would lead one visitor to another's desktop.
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if conn := passedBy(ctx).conn; conn.take() {
					return conn.Conn, nil
				}
				return nil, errTaken
			},
			DisableCompression: true,
		},
		ModifyResponse: func(answer *http.Response) error {
			passedBy(answer.Request.Context()).face.Answer(answer.Header, answer.Request.Host)
			return nil
		},
		FlushInterval: -1,
		ErrorHandler:  failed,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve passes one request, to a session that visitors see by that face, to the desktop
// at the other end of conn, which it closes.
func (h *HTTP) Serve(w http.ResponseWriter, r *http.Request, conn net.Conn, face address.Face) {
	l := &lent{Conn: conn}
	defer l.giveBack()
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passedKey{}, passed{l, face})))
}
