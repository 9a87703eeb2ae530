package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/eventually"
)

// secure is a session with a host of its own.
var secure = route.Face{Scheme: "https"}

// visitor is a visitor's request as it comes in.
func visitor(target string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "alice.vdi.example.com:8443"
	r.RemoteAddr = "192.0.2.1:1234"
	for k, v := range header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	return r
}

func dialer(srv *httptest.Server) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", srv.Listener.Addr().String())
	}
}

var browser = http.Header{
	"Origin": {"https://alice.vdi.example.com:8443"}, "Cookie": {"__Host-vdi-session=secret; _oauth2_proxy=theirs; vdi-desktop.theme=dark"}, "Authorization": {"Bearer theirs"},
	"X-Auth-Request-Access-Token": {"theirs"}, "X-Forwarded-User": {"ada"},
	"X-Forwarded-For": {"198.51.100.7", "198.51.100.8"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"evil.example"},
	"Connection": {"Upgrade, X-Hop"}, "X-Hop": {"1"}, "Upgrade": {"websocket"}, "Proxy-Connection": {"keep-alive"}, "Te": {"trailers"},
	"User-Agent": {"Firefox"}, "Accept-Language": {"fr"},
}

func expectForwarded(t *testing.T, r *http.Request) {
	t.Helper()
	for name, want := range map[string]string{
		"Origin": "", "Cookie": "theme=dark", "Authorization": "", "X-Auth-Request-Access-Token": "", "X-Forwarded-User": "", "X-Hop": "", "Proxy-Connection": "", "Te": "", "User-Agent": "Firefox", "Accept-Language": "fr",
		"X-Forwarded-For": "198.51.100.7, 198.51.100.8, 192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "alice.vdi.example.com:8443",
	} {
		assert.Equal(t, want, strings.Join(r.Header.Values(name), "|"), name)
	}
	assert.Equal(t, "alice.vdi.example.com:8443", r.Host, "Host")
	assert.Equal(t, "/a%2Fb/signalling/?x=1", r.RequestURI, "asked")
}

const target = "https://alice.vdi.example.com:8443/a%2Fb/signalling/?vdi_token=secret&x=1"

func TestADesktopsWebSocketSeesTheVisitorsRequestWithoutOurCredentials(t *testing.T) {
	header := browser.Clone()
	header["Sec-Websocket-Key"], header["Sec-Websocket-Version"] = []string{"x"}, []string{"13"}
	header["Sec-Websocket-Protocol"], header["Sec-Websocket-Extensions"] = []string{"text, binary"}, []string{"permessage-deflate"}
	head := NewRequest(visitor(target, header), secure, rules, &Subprotocols{offered: "text, binary"}).Head
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	require.NoError(t, err)
	expectForwarded(t, r)
	for name, want := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "text, binary", "Sec-WebSocket-Extensions": "",
	} {
		assert.Equal(t, want, strings.Join(r.Header.Values(name), "|"), name)
	}
	assert.Equal(t, 24, len(r.Header.Get("Sec-WebSocket-Key")), "key = %q", r.Header.Get("Sec-WebSocket-Key"))
}

func TestWhatADesktopsAnswerMeans(t *testing.T) {
	q := NewRequest(visitor("/", nil), route.Face{Scheme: "http"}, rules, &Subprotocols{offered: "text, binary", Promised: "binary"})
	accept := "Sec-WebSocket-Accept: " + q.accept + "\r\n"
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, tc := range []struct {
		head, rejected, subprotocol string
		starting                    bool
	}{
		{head: upgraded + accept},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: binary\r\n", subprotocol: "binary"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: text\r\n", subprotocol: "text"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol:\r\n"},
		{head: "HTTP/1.1 502 Bad Gateway\r\n", starting: true},
		{head: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n", starting: true},
		{head: "HTTP/1.1 504 Gateway Timeout\r\n", starting: true},
		{head: "HTTP/1.1 200 OK\r\n", rejected: "200 OK"},
		{head: "HTTP/1.1 404 Not Found\r\n", rejected: "404 Not Found"},
		{head: "HTTP/1.1 301 Moved Permanently\r\n", rejected: "301"},
		{head: "SSH-2.0-OpenSSH\r\n", rejected: "no HTTP"},
		{head: upgraded, rejected: "no WebSocket"},
		{head: upgraded + "Sec-WebSocket-Accept: x\r\n", rejected: "no WebSocket"},
		{head: upgraded + accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n", rejected: "extension"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: other\r\n", rejected: `it chose the subprotocol "other", which was not offered`},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: Binary\r\n", rejected: "not offered"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: text, binary\r\n", rejected: "not offered"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: text\r\nSec-WebSocket-Protocol: binary\r\n", rejected: "not offered"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: te\x07xt\r\n", rejected: "no HTTP"},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: te\xffxt\r\n", rejected: `"te\xffxt", which was not offered`},
		{head: upgraded + accept + "Sec-WebSocket-Protocol: " + strings.Repeat("x", 4<<10) + "\r\n", rejected: `"` + strings.Repeat("x", 32) + `", which`},
	} {
		got, err := q.Check([]byte(tc.head + "\r\n"))
		assert.Equal(t, tc.subprotocol, got, "%q", tc.head)
		var no *Rejected
		if errors.Is(err, ErrStarting) != tc.starting || errors.As(err, &no) != (tc.rejected != "") || no != nil && !strings.Contains(no.Why, tc.rejected) {
			t.Errorf("%q means %v", tc.head, err)
		}
	}
}

var rules = &Rules{HeadBytes: 8 << 10, HeadFields: 50}

func newHTTP() *HTTP {
	return NewHTTP(Options{Rules: rules, AnswerWithin: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
}

func failed(w http.ResponseWriter, err error) {
	if refusal := (*closing.Ending)(nil); errors.As(err, &refusal) {
		refusal.Answer(w)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// counted is a connection that says when it was closed.
type counted struct {
	net.Conn
	open *atomic.Int32
}

func (c counted) Close() error { c.open.Add(-1); return c.Conn.Close() }

func TestARequestTakesTheConnectionItWasGivenAndNoOther(t *testing.T) {
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expectForwarded(t, r)
		_, _ = io.WriteString(w, "desktop")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	h := newHTTP()
	var open atomic.Int32
	for i := range int32(3) {
		conn, err := dialer(srv)(t.Context())
		require.NoError(t, err)
		open.Add(1)
		w := httptest.NewRecorder()
		h.Serve(w, visitor(target, browser), counted{conn, &open}, secure, nil, failed)
		require.Equal(t, 200, w.Code)
		assert.Equal(t, "desktop", w.Body.String(), "answered %d %q", w.Code, w.Body)
		// Kept for the next request, it could belong to another session's pod by then.
		assert.Equal(t, i+1, connections.Load(), "connections for requests")
	}
	eventually.Equal(t, "no connection is open", 0, open.Load)
}

func TestADesktopThatBreaksOffIsAnsweredFor(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	}))
	defer srv.Close()
	conn, err := dialer(srv)(t.Context())
	require.NoError(t, err)
	w := httptest.NewRecorder()
	newHTTP().Serve(w, visitor("/", nil), conn, secure, nil, failed)
	assert.Equal(t, 502, w.Code)
}

func TestAnAnswerThatComesInPartsIsPassedOnPartByPart(t *testing.T) {
	more := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-more
		_, _ = io.WriteString(w, "second\n")
	}))
	defer srv.Close()
	h := newHTTP()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := dialer(srv)(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		h.Serve(w, r, conn, secure, nil, failed)
	}))
	defer front.Close()
	resp, err := http.Get(front.URL)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "first\n", first, "read")
	close(more) // only now: the first part came without the second
	second, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "second\n", second, "read")
}

func TestNothingButPathAndQueryReachesADesktop(t *testing.T) {
	for in, want := range map[string]string{
		"http://evil.example/a?b": "/a?b", "http:opaque": "/", "/a?": "/a?", "/a%2fb": "/a%2fb", "//x/y": "//x/y",
		"http://user:pass@evil.example/": "/",
	} {
		r := visitor("/", nil)
		u, err := r.URL.Parse(in)
		require.NoError(t, err)
		if strings.HasPrefix(in, "//") {
			u.Host, u.Path = "", in
		}
		out := pathForDesktop(u)
		out.Scheme, out.Host = "http", "10.0.0.1:8080"
		require.Equal(t, want, out.RequestURI(), in)
		assert.Nil(t, out.User, "%s became", in)
	}
}
