// Package portal is how the activator reaches the portal: it passes on what people ask of the
// portal's host, and redeems the codes by which the portal hands them over to a session.
//
// It promises that the portal hears of who asks, and by what host and scheme, from nobody but
// the activator, and that a portal that is away costs a visitor seconds at most.
package portal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/config"
)

const (
	// dialWithin, answerWithin and headBytes bound the portal, and bodyBytes what is sent to it:
	// forms.
	dialWithin   = 3 * time.Second
	answerWithin = 30 * time.Second
	headBytes    = 64 << 10
	bodyBytes    = 256 << 10
	// idleConnections are kept for the next requests.
	idleConnections = 32
)

// Options are what a proxy is made of.
type Options struct {
	Config config.Config
	// Client is the address of who asks, empty where that is not known.
	Client func(*http.Request) string
	// Strip takes out of the header what only a trusted proxy may say.
	Strip func(*http.Request, http.Header)
	// Away is told of each request that the portal does not answer.
	Away func()
	Log  *slog.Logger
	// At is where the portal listens, by default its Service.
	At string
}

// Proxy passes requests to the portal.
type Proxy struct {
	host, scheme string
	transport    *http.Transport
	proxy        *httputil.ReverseProxy
}

// NewProxy makes a proxy to an installation's portal.
func NewProxy(o Options) (*Proxy, error) {
	at := o.At
	if at == "" {
		at = o.Config.Portal.Address(false)
	}
	to, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	scheme, host, _ := strings.Cut(Origin(o.Config), "://")
	p := &Proxy{host: o.Config.Portal.Host, scheme: scheme, transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext, ResponseHeaderTimeout: answerWithin, MaxResponseHeaderBytes: headBytes,
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			// By whatever spelling of its host it was asked, the portal hears one.
			r.Out.Host = host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
				"X-Forwarded-Prefix", "X-Forwarded-Server", "X-Real-Ip", "Connection", "Upgrade"} {
				r.Out.Header.Del(name)
			}
			o.Strip(r.In, r.Out.Header)
			if client := o.Client(r.In); client != "" {
				r.Out.Header.Set("X-Forwarded-For", client)
			}
			r.Out.Header.Set("X-Forwarded-Host", host)
			r.Out.Header.Set("X-Forwarded-Proto", scheme)
		},
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // who asked has left
			}
			if body, is := r.Context().Value(bodyKey{}).(*ending); is && body.answer(w) {
				return
			}
			o.Log.Warn("the portal does not answer", "error", err)
			o.Away()
			WriteAway(w, r)
		},
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return p, nil
}

// Serves says that a request is for the portal's host, however that is written.
func (p *Proxy) Serves(r *http.Request) bool {
	host := route.Host(r.Host, p.scheme)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == p.host
}

// ServeHTTP passes a request on. Read is called once nothing more is to be read of it: until
// then the caller bounds how long that may take.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request, read func()) {
	if r.Body == nil || r.Body == http.NoBody {
		read()
	} else {
		body := &ending{ReadCloser: http.MaxBytesReader(w, r.Body, bodyBytes), end: read}
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
		r.Body = body
	}
	p.proxy.ServeHTTP(w, r)
}

// Close gives up the connections that are kept.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// bodyKey is where a request's context has its body.
type bodyKey struct{}

// ending is a body that says when it has been read, or why it cannot be.
type ending struct {
	io.ReadCloser
	end   func()
	fault atomic.Pointer[error]
}

func (e *ending) Read(b []byte) (int, error) {
	n, err := e.ReadCloser.Read(b)
	switch {
	case err == io.EOF: // as io.Reader says it
		e.end()
	case err != nil:
		e.fault.Store(&err)
	}
	return n, err
}

// answer refuses a body that cannot be read, which is no fault of the portal's.
func (e *ending) answer(w http.ResponseWriter) bool {
	fault := e.fault.Load()
	if fault == nil {
		return false
	}
	status := http.StatusBadRequest
	if errors.As(*fault, new(*http.MaxBytesError)) {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, http.StatusText(status), status)
	return true
}

// retryAfter is what a visitor is asked to wait while the portal is away, in seconds.
const retryAfter = 5

// WriteAway says that the portal does not answer. A page that was only looked at loads itself
// again: a replica that was replaced is there in a moment.
func WriteAway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	if r.Method == http.MethodGet {
		w.Header().Set("Refresh", strconv.Itoa(retryAfter))
	}
	page.WriteRefusal(w, closing.PortalAway)
}

// Origin is where people find the portal.
func Origin(c config.Config) string { return c.URL.Origin(c.Portal.Host) }

// Home is where people find their desktops.
func Home(c config.Config) string { return Origin(c) + "/" }

// Sharing is where somebody shares a session, and sees who is connected.
func Sharing(c config.Config, namespace, name string) string {
	return Origin(c) + "/sessions/" + namespace + "/" + name + "#sharing"
}

// Open is where the portal hands a browser over to a session, and from there to a path of it.
func Open(c config.Config, namespace, name, browserHash, to string) string {
	return Origin(c) + "/open/" + namespace + "/" + name + "?" + url.Values{"browser": {browserHash}, "to": {to}}.Encode()
}
