package relay

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/org/vdi-operator/activator/route"
)

// desktop answers one request with what a test wrote, byte for byte.
func desktop(t *testing.T, say func(net.Conn)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			t.Error(err)
		}
		say(conn)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); <-done })
	return conn
}

func answered(t *testing.T, in *http.Request, face route.Face, say func(net.Conn)) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	newHTTP().Serve(w, in, desktop(t, say), face, nil, failed)
	return w.Result()
}

func TestAnAnswerChangesNothingButItself(t *testing.T) {
	worker := visitor("/", http.Header{"Service-Worker": {"script"}})
	for field, tc := range map[string]struct {
		in     *http.Request
		face   route.Face
		passes bool
	}{
		"Clear-Site-Data: \"*\"":       {},
		"clear-site-data: \"cookies\"": {},
		"Alt-Svc: h3=\":443\"":         {},
		"NEL: {}":                      {},
		"Report-To: {}":                {},
		"Strict-Transport-Security: max-age=63072000; includeSubDomains": {},
		"X-Accel-Redirect: /etc/passwd":                                  {},
		"X-ACCEL-Buffering: no":                                          {},
		"X-Accel-Later: 1":                                               {},
		"X-Sendfile: /etc/passwd":                                        {},
		"X-Reproxy-URL: http://metadata/":                                {},
		"Service-Worker-Allowed: /":                                      {},
		"Service-Worker-Allowed: / ":                                     {in: worker, face: route.Face{Scheme: "https", Prefix: "/ada--team"}},
		"Service-Worker-Allowed:  /":                                     {in: worker, passes: true},
		"Set-Cookie: __Host-vdi-session=x; Path=/; Secure":               {},
		"Content-Security-Policy: default-src 'self'":                    {passes: true},
		"Content-Disposition: attachment":                                {passes: true},
		"Access-Control-Allow-Origin: https://other.example":             {passes: true},
	} {
		in := tc.in
		if in == nil {
			in = visitor("/", nil)
		}
		answer := answered(t, in, tc.face, func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 2\r\n\r\nok", field)
		})
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || string(body) != "ok" {
			t.Errorf("%s: %s, %q, %v", field, answer.Status, body, err)
		}
		answer.Header.Del("Content-Length")
		if passed := len(answer.Header) > 0; passed != tc.passes {
			t.Errorf("%s: passed on are %v", field, slices.Sorted(maps.Keys(answer.Header)))
		}
	}
}

func TestNothingEscapesTheFilterOfAHeader(t *testing.T) {
	const field = "X-Accel-Redirect: /\r\nSet-Cookie: vdi-session=x\r\n"
	for name, raw := range map[string]string{
		"trailers":                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Accel-Redirect, Set-Cookie\r\n\r\n2\r\nok\r\n0\r\n" + field + "\r\n",
		"trailers that were not announced": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + field + "\r\n",
		"early hints":                      "HTTP/1.1 103 Early Hints\r\n" + field + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		h := newHTTP()
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.Serve(w, r, desktop(t, func(c net.Conn) { _, _ = io.WriteString(c, raw) }), secure, nil, failed)
		}))
		resp, err := http.Get(front.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "ok" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		for _, h := range []http.Header{resp.Header, resp.Trailer} {
			if h.Get("X-Accel-Redirect") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("%s: %v", name, h)
			}
		}
		front.Close()
	}
}

func TestTheHeadOfAnAnswerIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		say    func(net.Conn)
		status int
	}{
		"as long as is allowed": {func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nA: %s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("a", rules.HeadBytes/2))
		}, 200},
		"one long field": {func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nA: %s\r\n\r\n", strings.Repeat("a", 1<<20))
		}, 502},
		"many short fields": {func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n", strings.Repeat("abcd:\r\n", rules.HeadFields+1))
		}, 502},
		"no end": {func(c net.Conn) {
			line := bytes.Repeat([]byte("abcd: efgh\r\n"), 100)
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for ; err == nil; _, err = c.Write(line) {
			}
		}, 502},
		"hints without end": {func(c net.Conn) {
			hint := []byte("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
			err := error(nil)
			for ; err == nil; _, err = c.Write(hint) {
			}
		}, 502},
	} {
		if answer := answered(t, visitor("/", nil), secure, tc.say); answer.StatusCode != tc.status {
			t.Errorf("%s: answered %s, want %d", name, answer.Status, tc.status)
		}
	}
}
