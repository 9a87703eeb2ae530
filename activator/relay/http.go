package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/org/vdi-operator/activator/route"
)

// HTTP passes plain requests to desktops.
type HTTP struct{ proxy *httputil.ReverseProxy }

// passedKey is the context key of a request's passed.
type passedKey struct{}

type passed struct {
	conn *offered
	face route.Face
	// patience is for a request that is repeated if the desktop is not ready to answer,
	// nil for others; repeat says that it was not, and that nothing was written.
	patience *Patience
	repeat   bool
}

// Patience is what a request has for a document whose desktop may not be ready to answer.
type Patience struct {
	// Until is how long the head of an answer is waited for.
	Until time.Time
	// Answered is called when the desktop has answered for good.
	Answered func()
}

func passedBy(ctx context.Context) *passed { return ctx.Value(passedKey{}).(*passed) }

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
			by := passedBy(answer.Request.Context())
			if p := by.patience; p != nil {
				if starting(answer.StatusCode) {
					return ErrStarting
				}
				by.conn.waits(time.Time{})
				p.Answered()
			}
			by.face.Answer(answer.Header, answer.Request.Host)
			return nil
		},
		FlushInterval: -1,
		// It is called while nothing was written yet.
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if by := passedBy(r.Context()); by.patience != nil && r.Context().Err() == nil {
				by.repeat = true
				return
			}
			failed(w, r, err)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve passes one request, to a session that visitors see by that face, to the desktop
// at the other end of conn, which it closes. Of a request with patience it writes nothing
// and returns true where the desktop breaks off, does not answer in time or answers 502,
// 503 or 504: the caller repeats it.
func (h *HTTP) Serve(w http.ResponseWriter, r *http.Request, conn net.Conn, face route.Face, patience *Patience) (repeat bool) {
	by := &passed{conn: &offered{Conn: conn}, face: face, patience: patience}
	defer by.conn.giveBack()
	if patience != nil {
		by.conn.waits(patience.Until)
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passedKey{}, by)))
	return by.repeat
}
