package relay

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
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
		"Service-Worker-Allowed: / ":                         {in: worker, face: route.Face{Scheme: "https", Prefix: "/ada--team"}},
		"Service-Worker-Allowed:  /":                         {in: worker, passes: true},
		"Content-Security-Policy: default-src 'self'":        {passes: true},
		"Content-Disposition: attachment":                    {passes: true},
		"Access-Control-Allow-Origin: https://other.example": {passes: true},
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

func TestWhatABrowserKeepsOfAFrameIsNotShownAsAPage(t *testing.T) {
	for dest, want := range map[string][]string{"": {"Accept-Encoding"}, "iframe": {"Accept-Encoding", fetchDest}, "empty": {"Accept-Encoding", fetchDest}} {
		in := visitor("/", nil)
		if dest != "" {
			in.Header.Set(fetchDest, dest)
		}
		answer := answered(t, in, route.Face{}, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nCache-Control: max-age=9999\r\nVary: Accept-Encoding\r\nContent-Length: 2\r\n\r\nok")
		})
		if got := answer.Header.Values("Vary"); !slices.Equal(got, want) {
			t.Errorf("%q: varies by %v", dest, got)
		}
	}
}
