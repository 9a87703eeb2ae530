package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/route"
)

// HTTP passes plain requests to desktops.
type HTTP struct {
	proxy *httputil.ReverseProxy
	// within is how long a desktop may take nothing of a request.
	within time.Duration
}

// passedKey is the context key of a request's passed.
type passedKey struct{}

type passed struct {
	in   *http.Request
	conn *offered
	face route.Face
	// patience is for a request that is repeated if the desktop is not ready to answer,
	// nil for others; repeat says that it was not, and that nothing was written.
	patience *Patience
	repeat   bool
	failed   Failed
}

// Failed answers a request whose desktop broke off, or gave an answer beyond a limit or too
// late: then the error is a *closing.Ending.
type Failed func(http.ResponseWriter, error)

// Patience is what a request has for a document whose desktop may not be ready to answer.
type Patience struct {
	// Until is how long the head of an answer is waited for.
	Until time.Time
	// Answered is called when the desktop has answered for good.
	Answered func()
}

func passedBy(ctx context.Context) *passed { return ctx.Value(passedKey{}).(*passed) }

var errNoStatus = errors.New("the answer has no status of a final one")

var errTaken = errors.New("the connection to the desktop was used already")

// Options are what a proxy is made of.
type Options struct {
	*Rules
	// AnswerWithin is how long the head of an answer is waited for once the request is
	// written.
	AnswerWithin time.Duration
	Log          *slog.Logger
}

// NewHTTP makes a proxy.
func NewHTTP(o Options) *HTTP {
	return &HTTP{within: o.AnswerWithin, proxy: &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			by := passedBy(p.In.Context())
			p.Out.Header = headerForDesktop(p.In, by.face, o.Filter)
			p.Out.URL = pathForDesktop(p.In.URL)
			p.Out.URL.Scheme, p.Out.URL.Host = "http", by.conn.RemoteAddr().String()
			p.Out.Host = p.In.Host
		},
		// Every request has its own connection, the one by which its desktop was
		// reached: an address may belong to another session's desktop a moment later,
		// and a connection kept for it would lead one visitor to another's desktop.
		Transport: plain{&http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: int64(o.HeadBytes),
			// From the end of the request on, which may be a long upload.
			ResponseHeaderTimeout: o.AnswerWithin,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if conn := passedBy(ctx).conn; conn.take() {
					return conn, nil
				}
				return nil, errTaken
			},
			DisableCompression: true,
		}},
		ModifyResponse: func(answer *http.Response) error {
			by := passedBy(answer.Request.Context())
			by.conn.head.Store(true)
			if answer.StatusCode < http.StatusOK && answer.StatusCode != http.StatusSwitchingProtocols {
				return errNoStatus
			}
			if err := o.fields(answer.Header); err != nil {
				return err
			}
			if p := by.patience; p != nil {
				if starting(answer.StatusCode) {
					return ErrStarting
				}
				by.conn.waits(time.Time{})
				p.Answered()
			}
			by.face.Answer(answer.Header, answer.Request.Host)
			o.Filter.Answer(answer.Header)
			filterAnswer(answer.Header, by.in, by.face)
			return nil
		},
		FlushInterval: -1,
		// It is called while nothing was written yet.
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			by := passedBy(r.Context())
			var timeout net.Error
			switch refusal := (*closing.Ending)(nil); {
			case errors.As(err, &refusal):
			case by.conn.beyond(o.HeadBytes):
				err = closing.DesktopHeaderBytes.Ending(o.HeadBytes)
			case by.patience != nil && r.Context().Err() == nil:
				by.repeat = true
				return
			case errors.As(err, &timeout) && timeout.Timeout():
				err = closing.HoldTimeout.Ending()
			}
			by.failed(w, err)
		},
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}}
}

// Serve passes one request, to a session that visitors see by that face, to the desktop
// at the other end of conn, which it closes. Of a request with patience it writes nothing
// and returns true where the desktop breaks off, does not answer in time or answers 502,
// 503 or 504: the caller repeats it.
func (h *HTTP) Serve(w http.ResponseWriter, r *http.Request, conn net.Conn, face route.Face, patience *Patience,
	failed Failed) (repeat bool) {
	by := &passed{in: r, conn: &offered{Conn: conn, within: h.within}, face: face, patience: patience, failed: failed}
	defer by.conn.giveBack()
	if patience != nil {
		by.conn.waits(patience.Until)
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passedKey{}, by)))
	return by.repeat
}
