package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/token"
)

// briefly ends what somebody waits for, who has half a second on a busy machine.
func briefly(c *config.Config) {
	l := &c.Limits
	l.HeaderTimeout.Duration, l.HoldHTTP.Duration, l.HoldTime.Duration = 500*time.Millisecond, time.Second, time.Second
}

// crowded has room for two requests of a session, which hang for a while.
func crowded(c *config.Config) {
	l := &c.Limits
	l.LiveRequestsPerSession, l.HeaderTimeout.Duration, l.HoldHTTP.Duration = 2, 500*time.Millisecond, 3*time.Second
}

// sparing has limits that are reached at once.
func sparing(c *config.Config) {
	l, few := &c.Limits, config.Rate{PerSecond: 1e-6, Burst: 3}
	l.HeaderBytes, l.PendingConnections, l.IdleConnections = 8<<10, 8, 2
	l.RefusalsPerAddress, l.UpgradesPerAddress = few, few
	l.LiveRequestsPerSession, l.LiveWebSocketsPerSession, l.HeldConnectionsPerSession = 2, 3, 2
	l.BufferedBytes, l.BufferedFrames, l.MessageBytes, l.Candidates, l.PagesPerSession = 2000, 10, 1000, 3, 1
}

func value(c prometheus.Collector) float64 { return testutil.ToFloat64(c) }

// trickled sends a byte at a time behind what was sent, until the connection ends.
func (h *house) trickled(t *testing.T, addr, sent string) (got, raw string) {
	t.Helper()
	c := h.dial(t, addr)
	_, err := io.WriteString(c, sent)
	require.NoError(t, err)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for every := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-over:
				every.Stop()
				return
			case <-every.C:
				_, _ = c.Write([]byte("x"))
			}
		}
	}()
	method, _, _ := strings.Cut(sent, " ")
	got, raw = listened(t, c, method)
	close(over)
	<-ended
	_ = c.Close()
	return strings.TrimSuffix(got, " cut off"), raw // by what trickled in behind
}

// together dials n times at once and returns what came back, each once, by how often.
func (h *house) together(t *testing.T, n int, sent func(int) string) map[string]int {
	t.Helper()
	came := make(chan string, n)
	for i := range n {
		go func() {
			got, _ := h.send(t, h.public, sent(i))
			came <- got
		}()
	}
	counts := map[string]int{}
	for range n {
		counts[<-came]++
	}
	return counts
}

// trickling is what comes slower than anybody waits.
func trickling(_ *house) (all []attack) {
	add := func(name string, try func(*testing.T, *house) (string, string), want string, why *closing.Refusal) *attack {
		all = append(all, attack{name: name, who: stranger, try: try, want: want, why: why})
		return &all[len(all)-1]
	}
	for name, begin := range map[string]string{
		"half a line": "GET /", "half a head": "GET / HTTP/1.1\r\nHost: " + victim + "\r\nX: ", "a byte": "G",
		"half a head by HTTP/1.0": "GET / HTTP/1.0\r\nX: ",
	} {
		want := ""
		if !strings.Contains(begin, "\n") {
			want = "400" // net/http takes what has come for the whole line
		}
		add("a head that trickles in: "+name, func(t *testing.T, h *house) (string, string) { return h.trickled(t, h.public, begin) }, want,
			closing.HeaderTimeout)
		add("a head that trickles in to the pods' port: "+name, func(t *testing.T, h *house) (string, string) { return h.trickled(t, h.internal, begin) }, want,
			closing.HeaderTimeout)
	}
	add("a connection that says nothing", func(t *testing.T, h *house) (string, string) { return h.send(t, h.public, "") }, "", nil)
	// So short that net/http would wait for all of it.
	const body = "Content-Length: 1000"
	for name, tc := range map[string]struct {
		sent, want string
		why        *closing.Refusal
	}{
		"a page":            {request("POST / HTTP/1.1", "Host: "+victim, body), "401", closing.NoToken},
		"a page in chunks":  {request("POST / HTTP/1.1", "Host: "+victim, "Transfer-Encoding: chunked") + "f4240\r\n", "401", closing.NoToken},
		"an asset":          {request("POST /_vdi/assets/shell.js HTTP/1.1", "Host: "+victim, body), "200", nil},
		"an unknown host":   {request("POST / HTTP/1.1", "Host: nobody.example", body), "404", closing.UnknownHost},
		"a bad token":       {request("POST / HTTP/1.1", "Host: "+victim, "Cookie: __Host-vdi-session=x", body), "401", closing.BadToken},
		"a bad link":        {request("GET /?vdi_token=x HTTP/1.1", "Host: "+victim, body), "401", closing.BadToken},
		"another site":      {request("POST / HTTP/1.1", "Host: "+victim, "Origin: null", body), "403", closing.ForeignOrigin},
		"an upgrade":        {request("POST / HTTP/1.1", "Host: "+victim, upgrading, body), "401", closing.NoToken},
		"an upgrade to h2c": {request("POST / HTTP/1.1", "Host: "+victim, "Connection: Upgrade", "Upgrade: h2c", body), "505", closing.H2CUpgrade},
		"a preview":         {request("POST / HTTP/1.1", "Host: "+victim, "Sec-Purpose: prefetch", body), "401", closing.NoToken},
	} {
		add("a body that trickles in: "+name, func(t *testing.T, h *house) (string, string) { return h.trickled(t, h.public, tc.sent) }, tc.want, tc.why)
	}
	add("an agent's body that trickles in", func(t *testing.T, h *house) (string, string) {
		return h.trickled(t, h.internal, request("POST "+agentapi.ActivityPath+" HTTP/1.1", "Host: activator",
			"Authorization: Bearer "+h.Token(token.AudienceAgent, h.alice, 0), body))
	}, "400", closing.AgentReport).who = pod
	return all
}

// insidersTrickling is what a visitor of the session sends or reads slower than anybody waits
// who has no place among the live.
func insidersTrickling(h *house) (all []attack) {
	cookie := h.cookie()
	add := func(name string, try func(*testing.T, *house) (string, string), want string, why *closing.Refusal) *attack {
		all = append(all, attack{name: name, who: insider, try: try, want: want, why: why})
		return &all[len(all)-1]
	}
	const body = "Content-Length: 1000"
	// ends says that the connection ends in time: what trickles in behind resets it, and that may
	// overtake the answer.
	ends := func(t *testing.T, h *house, sent, want string) (string, string) {
		got, raw := h.trickled(t, h.public, sent)
		if got == "" {
			got = want
		}
		return got, raw
	}
	for name, tc := range map[string]struct {
		sent, want string
		why        *closing.Refusal
	}{
		"the page": {request("GET / HTTP/1.1", "Host: "+victim, cookie, body, "Accept: text/html", "Sec-Fetch-Mode: navigate",
			"Sec-Fetch-Dest: document"), "200", nil},
		"the state":      {request("GET /_vdi/status HTTP/1.1", "Host: "+victim, cookie, body), "200", nil},
		"nothing":        {request("POST /_vdi/nothing HTTP/1.1", "Host: "+victim, cookie, body), "404", nil},
		"another method": {request("PUT /_vdi/wake HTTP/1.1", "Host: "+victim, cookie, body), "405", nil},
		"an asset":       {request("GET /_vdi/assets/shell.js HTTP/1.1", "Host: "+victim, cookie, body), "200", nil},
		"credentials":    {request("GET /turn HTTP/1.1", "Host: "+victim, cookie, body), "200", nil},
		"a worker":       {request("GET /sw.js HTTP/1.1", "Host: "+victim, cookie, body, "Service-Worker: script"), "403", nil},
		"chunks":         {request("POST /_vdi/nothing HTTP/1.1", "Host: "+victim, cookie, "Transfer-Encoding: chunked") + "3e8\r\n", "404", nil},
		"a posted upgrade": {request("POST /desk HTTP/1.1", "Host: "+victim, upgrading, cookie, body), "405",
			closing.UpgradeMethod},
		"an upgrade of another version": {request("GET /desk HTTP/1.1", "Host: "+victim, strings.Replace(upgrading, "13", "8", 1), cookie, body), "426",
			closing.UpgradeVersion},
		"a broken list of subprotocols": {request("GET /desk HTTP/1.1", "Host: "+victim, upgrading, "Sec-WebSocket-Protocol: (", cookie, body), "400",
			closing.UpgradeSubprotocol},
	} {
		add("a body that trickles in: "+name, func(t *testing.T, h *house) (string, string) { return ends(t, h, tc.sent, tc.want) }, tc.want, tc.why)
	}
	beyond := add("a body that trickles in: beyond the live requests", func(t *testing.T, h *house) (string, string) {
		h.desktop.answers(func(c net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, c) })
		defer h.desktop.answers(nil)
		live := make(chan string)
		for i := range 2 {
			go func() {
				got, _ := h.send(t, h.public, get(fmt.Sprint("/live", i), victim, cookie))
				live <- got
			}()
		}
		eventually.Equal(t, "they are live", 2, func() int { return int(value(h.Metrics.LiveRequests)) })
		got, raw := ends(t, h, request("POST /file HTTP/1.1", "Host: "+victim, cookie, body), "503")
		return strings.Join([]string{got, <-live, <-live}, " "), raw
	}, "503 503 503", nil)
	beyond.reaches, beyond.besides = 2, map[*closing.Refusal]int{closing.LiveRequestsPerSession: 1, closing.HoldTimeout: 2}
	add("answers that are not read", func(t *testing.T, h *house) (string, string) {
		c := h.dial(t, h.public)
		var err error
		for asked := strings.Repeat(request("GET /_vdi/assets/shell.js HTTP/1.1", "Host: "+victim, cookie), 100); err == nil; {
			_, err = io.WriteString(c, asked)
		}
		require.NotErrorIs(t, err, errTimeout(err), "nothing ends it")
		return "", ""
	}, "", nil)
	return all
}

// resources are what strangers would have the activator keep.
func resources(_ *house) (all []attack) {
	add := func(name string, try func(*testing.T, *house) (string, string), want string, why *closing.Refusal) *attack {
		all = append(all, attack{name: name, who: stranger, try: try, want: want, why: why})
		return &all[len(all)-1]
	}
	for name, sent := range map[string]string{
		"many fields":            "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 4000),
		"a field without end":    "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 32<<10),
		"an address without end": "GET /" + strings.Repeat("a", 32<<10), "a method without end": strings.Repeat("A", 32<<10),
		"cookies without end":        "GET / HTTP/1.1\r\nHost: " + victim + "\r\nCookie: " + strings.Repeat("a=b;", 8<<10),
		"a folded field without end": "GET / HTTP/1.1\r\nX: a\r\n" + strings.Repeat(" a\r\n", 8<<10),
		"a token of 64 KiB":          get("/", victim, "Authorization: Bearer "+strings.Repeat("A", 64<<10)),
	} {
		all = append(all, attack{name: name, who: stranger, sent: sent, want: "431", why: closing.HeaderBytes})
	}
	add("connections that wait for nothing", func(t *testing.T, h *house) (string, string) {
		pending := func() int { return int(value(h.Metrics.Pending)) }
		eventually.Equal(t, "nobody else waits", 0, pending)
		var waiting []*net.TCPConn
		for range 8 {
			waiting = append(waiting, h.dial(t, h.public))
		}
		eventually.Equal(t, "they wait", 8, pending)
		defer func() {
			for _, c := range waiting {
				_ = c.Close()
			}
			eventually.Equal(t, "they have gone", 0, pending)
		}()
		return h.send(t, h.public, "")
	}, "503", closing.Pending)
	// By a trusted proxy, each row has an address of its own.
	from := func(n int) string { return fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", n) }
	for i, carrier := range []string{"Authorization: Bearer forged%d", "Cookie: __Host-vdi-session=forged%d", "?vdi_token=forged%d"} {
		add("tokens by the dozen: "+carrier, func(t *testing.T, h *house) (string, string) {
			known := get("/_vdi/nothing", victim, h.cookie(), from(i))
			first, _ := h.send(t, h.public, known)
			came := []string{first}
			for n := range 5 {
				field, at := fmt.Sprintf(carrier, n*10+i), "/"
				if query, is := strings.CutPrefix(field, "?"); is {
					field, at = "X: y", "/?"+query
				}
				got, _ := h.send(t, h.public, get(at, victim, field, from(i)))
				came = append(came, got)
			}
			last, _ := h.send(t, h.public, known) // hers is known to be good
			return strings.Join(append(came, last), " "), ""
		}, "404 401 401 401 429 429 404", nil).besides = map[*closing.Refusal]int{closing.BadToken: 3, closing.RefusalRate: 2}
	}
	add("forty tokens in one request", func(t *testing.T, h *house) (string, string) {
		first, _ := h.send(t, h.public, get("/", victim, "Cookie: "+many(40, "__Host-vdi-session=other%d"), from(10)))
		second, _ := h.send(t, h.public, get("/", victim, "Authorization: Bearer one-more", from(10)))
		return first + " " + second, ""
	}, "401 429", nil).besides = map[*closing.Refusal]int{closing.BadToken: 1, closing.RefusalRate: 1}
	for name, field := range map[string]string{"as it is": from(20), "behind one of its own": "X-Forwarded-For: 198.51.100.%d, 203.0.113.21",
		"on two lines": "X-Forwarded-For: 198.51.100.%d\r\nX-Forwarded-For: 203.0.113.22", "with ports": "X-Forwarded-For: 203.0.113.23:%d",
		"of a network": "X-Forwarded-For: 2001:db8::%d"} {
		add("upgrades by the dozen: "+name, func(t *testing.T, h *house) (string, string) {
			var came []string
			for n := range 5 {
				f := field
				if strings.Contains(f, "%") {
					f = fmt.Sprintf(f, n+1)
				}
				got, _ := h.send(t, h.public, upgrade("/websockify", f))
				came = append(came, got)
			}
			return strings.Join(came, " "), ""
		}, "401 401 401 429 429", nil).besides = map[*closing.Refusal]int{closing.NoToken: 3, closing.AddressRate: 2}
	}
	return all
}

// insidersResources are what a visitor of the session, or its desktop, would have kept.
func insidersResources(h *house) (all []attack) {
	cookie := h.cookie()
	n := 0
	add := func(name string, try func(*testing.T, *house) (string, string), want string, why *closing.Refusal, reaches int) *attack {
		n++
		all = append(all, attack{name: name, who: insider, try: try, want: want, why: why, reaches: reaches})
		return &all[len(all)-1]
	}
	// hung is a desktop that takes a request and says nothing.
	hung := func(h *house) func() {
		h.desktop.answers(func(c net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, c) })
		return func() { h.desktop.answers(nil) }
	}
	add("requests that hang", func(t *testing.T, h *house) (string, string) {
		defer hung(h)()
		return fmt.Sprint(h.together(t, 5, func(i int) string { return get(fmt.Sprint("/file", i), victim, cookie) })), ""
	}, "map[503:5]", nil, 2).besides = map[*closing.Refusal]int{closing.HoldTimeout: 2, closing.LiveRequestsPerSession: 3}
	text := func(s string) string { return string(frame.Append(nil, ws.OpText, true, []byte(s), true)) }
	from := func() string { return fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", n) }
	for name, tc := range map[string]struct {
		at, said, want string
		why            *closing.Refusal
	}{
		"a WebSocket that is held too long":  {"/desk", text("x"), "101 close 1013", closing.HoldTimeout},
		"more bytes than may be held":        {"/desk", strings.Repeat(text(strings.Repeat("x", 900)), 3), "101 close 1009", closing.BufferedBytes},
		"a message that is too long to hold": {"/desk", text(strings.Repeat("x", 1001)), "101 close 1009", closing.MessageTooLong},
		"fragments that are too long to hold": {"/desk", string(frame.Append(frame.Append(nil, ws.OpText, false, make([]byte, 600), true), ws.OpContinuation,
			false, make([]byte, 600), true)), "101 close 1009", closing.MessageTooLong},
		"more messages than may be held": {"/desk", strings.Repeat(text("x"), 11), "101 close 1008", closing.BufferedFrames},
		"empty messages without end":     {"/desk", strings.Repeat(text(""), 11), "101 close 1008", closing.BufferedFrames},
		"candidates without end": {"/webrtc/signalling/",
			text("HELLO 1") + strings.Repeat(text(`{"ice":{"candidate":"candidate:1 1 udp 1 198.51.100.1 9 typ host","sdpMLineIndex":0}}`), 4),
			"101 close 1008", closing.Candidates},
		"a frame of a gigabyte":   {"/desk", string(long(0x82, 1<<30, true)), "101 close 1009", closing.MessageTooLong},
		"a frame of 2^63-1 bytes": {"/desk", string(long(0x82, 1<<63-1, true)), "101 close 1009", closing.MessageTooLong},
	} {
		n++
		sent := upgrade(tc.at, cookie, from()) + tc.said
		all = append(all, attack{name: name, who: insider, want: tc.want, why: tc.why, reaches: 1, early: true,
			try: func(t *testing.T, h *house) (string, string) {
				defer hung(h)()
				return h.send(t, h.public, sent)
			}})
	}
	add("WebSockets without end", func(t *testing.T, h *house) (string, string) {
		var open []string
		for i := range 3 {
			c := h.dial(t, h.public)
			defer func() { _ = c.Close() }()
			_, err := io.WriteString(c, upgrade("/desk", cookie, fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i))+text("hi"))
			require.NoError(t, err)
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			f, err := ws.ReadFrame(in)
			require.NoError(t, err)
			open = append(open, fmt.Sprint(resp.StatusCode, " ", string(f.Payload)))
		}
		got, _ := h.send(t, h.public, upgrade("/desk", cookie, "X-Forwarded-For: 192.0.2.9"))
		return strings.Join(append(open, got), ", "), ""
	}, "101 echo hi, 101 echo hi, 101 echo hi, 101 close 1013", closing.LiveWebSocketsPerSession, 3)
	add("WebSockets that wait", func(t *testing.T, h *house) (string, string) {
		defer hung(h)()
		counts := h.together(t, 3, func(i int) string {
			return upgrade("/desk", cookie, fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", 20+i))
		})
		return fmt.Sprint(counts), ""
	}, "map[101 close 1013:3]", nil, 2).besides = map[*closing.Refusal]int{closing.HoldTimeout: 2, closing.SessionLimit: 1}
	add("pages without end", func(t *testing.T, h *house) (string, string) {
		c := h.dial(t, h.public)
		defer func() { _ = c.Close() }()
		_, err := io.WriteString(c, get("/_vdi/events", victim, cookie))
		require.NoError(t, err)
		_, err = bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		return h.send(t, h.public, get("/_vdi/events", victim, cookie, "Test: 2"))
	}, "503", closing.Pages, 0)
	add("connections that are kept", func(t *testing.T, h *house) (string, string) {
		var came []string
		for range 3 {
			c := h.dial(t, h.public)
			defer func() { _ = c.Close() }()
			_, err := io.WriteString(c, request("GET /_vdi/status HTTP/1.1", "Host: "+victim, cookie))
			require.NoError(t, err)
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			came = append(came, resp.Status)
			if len(came) == 3 {
				_, err = in.Peek(1)
				came = append(came, err.Error())
			} else {
				eventually.Equal(t, "they are kept", len(came), func() int { return int(value(h.Metrics.Idle)) })
			}
		}
		return strings.Join(came, ", "), ""
	}, "200 OK, 200 OK, 200 OK, EOF", nil, 0)
	return all
}
