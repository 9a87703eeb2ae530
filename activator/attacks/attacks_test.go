// Package attacks is the table of everything that was tried against the activator, a file a
// kind: what is sent, by whom, and what must come back. The activator is a whole one, as
// cmd/activator serves it, and what is sent is sent byte for byte.
//
// After each try nothing but the named refusal was counted, no desktop was woken, a desktop has
// heard no more than the row allows, and the audit has a line of who was turned away with what
// they showed; after each kind alice, who was attacked,
// still comes in.
package attacks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// who attacks.
type who string

const (
	stranger who = "a stranger"
	// neighbour has a token of bob's session.
	neighbour who = "a visitor of another session"
	// page is another site's, in the browser of alice's visitor, who has a cookie.
	page who = "a page of another site"
	// insider has a token of alice's session, and more in mind than to use it.
	insider who = "a visitor of the session"
	// shell is whoever has one in alice's desktop.
	shell who = "the desktop"
	pod   who = "the agent of a pod"
)

// attack is one try.
type attack struct {
	name string
	who  who
	// sent goes to the visitors' port, or to the pods', byte for byte.
	sent     string
	internal bool
	// says is what the desktop answers, byte for byte.
	says string
	// try is for what takes more than to send and to listen.
	try func(*testing.T, *house) (got, raw string)

	// want are the statuses and close codes that come back: "400", "200 200", "101 close 1002";
	// empty where the connection ends without an answer.
	want string
	// why is the refusal that is counted, once; nil where there is none. besides are those of
	// a try that is several requests.
	why     *closing.Refusal
	besides map[*closing.Refusal]int
	// reaches is how many requests the desktop sees; early says that it may be none where what is
	// behind the request ends the connection at once.
	reaches int
	early   bool
	// always must be in what comes back; never neither there nor in what the desktop hears.
	always, never []string
}

// kind is a part of the table, tried in a house of its own.
type kind struct {
	name    string
	attacks func(*house) []attack
	how     []func(*config.Config)
	// asleep and awake are how alice's desktop is meanwhile; with both, each row is tried twice
	// and counts once.
	asleep, awake bool
}

var table = []kind{
	{name: "tokens", attacks: tokens, asleep: true, awake: true},
	{name: "origins", attacks: origins, asleep: true, awake: true},
	{name: "hosts", attacks: hosts, asleep: true, awake: true},
	{name: "paths", attacks: paths, asleep: true, awake: true},
	{name: "paths of a visitor", attacks: insidersPaths, awake: true},
	{name: "folders", attacks: folders, asleep: true, awake: true, how: []func(*config.Config){gatewaytest.ByPath}},
	{name: "smuggling by a stranger", attacks: strangersSmuggling, asleep: true, awake: true},
	{name: "smuggling by a visitor", attacks: insidersSmuggling, awake: true},
	{name: "answers", attacks: answers, awake: true},
	{name: "answers that do not come", attacks: silences, awake: true, how: []func(*config.Config){briefly}},
	{name: "frames", attacks: frames, awake: true},
	{name: "agents", attacks: agents, asleep: true, awake: true},
	{name: "cookies", attacks: cookies, asleep: true, awake: true},
	{name: "cookies without TLS", attacks: plainCookies, awake: true, how: []func(*config.Config){withoutTLS}},
	{name: "visits", attacks: visits, asleep: true, awake: true},
	{name: "shares", attacks: shares, asleep: true, awake: true},
	{name: "the door", attacks: doors, asleep: true, awake: true, how: []func(*config.Config){gatewaytest.WithPortal, forwardingFrom}},
	{name: "codes that are made up", attacks: madeUpCodes, asleep: true, how: []func(*config.Config){gatewaytest.WithPortal, fewCodes}},
	{name: "a proxy's word", attacks: forwardedWords, asleep: true, awake: true, how: []func(*config.Config){forwardingFrom}},
	{name: "viewers who would wake", attacks: viewersAsleep, asleep: true},
	{name: "viewers who would type", attacks: viewers, awake: true},
	{name: "past an access policy", attacks: policy, awake: true},
	{name: "links that are switched off", attacks: linksOff, asleep: true, awake: true, how: []func(*config.Config){withoutLinks}},
	{name: "what reaches a desktop", attacks: reaching, awake: true},
	{name: "what reaches a desktop that gets all", attacks: reachingPassed, awake: true, how: []func(*config.Config){passingAll}},
	{name: "what trickles in", attacks: trickling, asleep: true, how: []func(*config.Config){briefly}},
	{name: "what trickles in from a visitor", attacks: insidersTrickling, awake: true, how: []func(*config.Config){crowded}},
	{name: "resources", attacks: resources, asleep: true, how: []func(*config.Config){sparing}},
	{name: "resources of a visitor", attacks: insidersResources, awake: true, how: []func(*config.Config){sparing, briefly}},
}

// least is how many tries the table has at least.
const least = 500

func TestNoAttackSucceeds(t *testing.T) {
	var tries atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d attacks were tried", tries.Load())
		if flag.Lookup("test.run").Value.String() == "" {
			assert.GreaterOrEqual(t, tries.Load(), int64(least))
		}
	})
	for _, k := range table {
		for _, awake := range []bool{false, true} {
			if awake && !k.awake || !awake && !k.asleep {
				continue
			}
			name := k.name + " on a sleeping desktop"
			if awake {
				name = k.name + " on a desktop that is awake"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := build(t, k.how...)
				if awake {
					h.awaken()
				}
				rows := k.attacks(h)
				expectNoneTwice(t, rows)
				for _, a := range rows {
					t.Run(string(a.who)+": "+a.name, func(t *testing.T) { h.attacked(t, a) })
				}
				h.expectUnharmed(t, awake)
				if awake || !k.awake { // a row that is tried twice counts once
					tries.Add(int64(len(rows)))
				}
			})
		}
	}
}

// audited are the refusals of those who show something, or do what they may not.
var audited = []*closing.Refusal{closing.BadToken, closing.ExpiredToken, closing.ForeignToken, closing.NotYetToken, closing.SignedOut,
	closing.ShareEnded, closing.NotShared, closing.LinksOff, closing.LinkUsedUp, closing.HandOver, closing.HandOverBrowser}

func expectNoneTwice(t *testing.T, rows []attack) {
	t.Helper()
	names, sent := map[string]bool{}, map[string]string{}
	for _, a := range rows {
		name := string(a.who) + ": " + a.name
		assert.False(t, names[name], "%s is there twice", name)
		names[name] = true
		bytes := a.sent + "\x00" + a.says
		assert.False(t, a.try == nil && sent[bytes] != "", "%s sends what %s sends", a.name, sent[bytes])
		sent[bytes] = a.name
	}
}

// attacked tries one row.
func (h *house) attacked(t *testing.T, a attack) {
	t.Helper()
	counted, desktop := h.refusals(), h.desktop
	wakes, inputs := h.written()
	desktop.forget()
	h.told.Take()
	if a.says != "" {
		desktop.answers(func(c net.Conn, _ *http.Request) { _, _ = io.WriteString(c, a.says) })
		defer desktop.answers(nil)
	}
	var got, raw string
	switch {
	case a.try != nil:
		got, raw = a.try(t, h)
	case a.internal:
		got, raw = h.send(t, h.internal, a.sent)
	default:
		got, raw = h.send(t, h.public, a.sent)
	}
	assert.Equal(t, a.want, got, "came back: %.400q", raw)

	if a.why != nil {
		counted[a.why.Label]++
	}
	for why, n := range a.besides {
		counted[why.Label] += n
	}
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	assert.NoError(t, eventually.Wait(ctx, "its refusals, and for what it has taken", func() error {
		kept := value(h.Metrics.LiveRequests) + value(h.Metrics.LiveWebSockets) + value(h.Metrics.Held)
		if now := h.refusals(); !maps.Equal(now, counted) || kept != 0 {
			return fmt.Errorf("%v with %v kept, want %v", now, kept, counted)
		}
		// The desktop counts what it hears after it was sent there.
		if requests, _ := desktop.seen(); !a.early && requests < a.reaches {
			return fmt.Errorf("%d requests reached the desktop, want %d", requests, a.reaches)
		}
		return nil
	}))
	wakesNow, inputsNow := h.written()
	assert.Equal(t, wakes, wakesNow, "wakes were written")
	assert.Equal(t, inputs, inputsNow, "input was written")
	if a.early {
		desktop.settle(t)
	}
	requests, heard := desktop.seen()
	if !a.early || requests > 0 {
		assert.Equal(t, a.reaches, requests, "requests reached the desktop: %.400q", heard)
	}
	for _, text := range a.always {
		assert.Contains(t, raw, text)
	}
	for _, text := range a.never {
		assert.NotContains(t, raw, text)
		assert.NotContains(t, heard, text, "the desktop heard it")
	}
	told := h.told.Take()
	if slices.Contains(audited, a.why) && !a.internal {
		assert.Contains(t, told, `"event":"refused"`)
		assert.Contains(t, told, `"reason":"`+a.why.Label+`"`)
	}
	assert.NotContains(t, told, `"event":"wake"`)
	for _, secret := range []string{"eyJ", secretOf} {
		assert.NotContains(t, told, secret)
	}
	if a.who == stranger || a.who == neighbour || a.who == page {
		assert.NotContains(t, raw, "@example.com", "it learns whose desktop it is")
		assert.NotContains(t, raw, "Set-Cookie")
		if a.why != nil && !a.internal && a.try == nil && !strings.HasPrefix(a.sent, "HEAD ") {
			assert.Contains(t, raw, a.why.Title, "it is not told what to do")
		}
	}
}

// expectUnharmed has alice herself come in.
func (h *house) expectUnharmed(t *testing.T, awake bool) {
	t.Helper()
	wakes, _ := h.written()
	assert.Zero(t, wakes, "an attack has woken the desktop") // its write may have come late
	scheme := h.Config.URL.Scheme
	host, at := victim, "/"
	if h.Config.URL.ByPath() {
		host, at = domain, aliceAt+"/"
	}
	fields := []string{h.cookie(), "Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none"}
	if awake {
		fields = []string{h.cookie(), "Origin: " + scheme + "://" + host}
	}
	got, raw := h.send(t, h.public, get(at, host, fields...))
	if awake {
		assert.Equal(t, "200", got, raw)
		assert.Contains(t, raw, "desktop ")
	} else {
		assert.Equal(t, "202", got, raw)
		eventually.Equal(t, "alice has woken it", 1, func() int { n, _ := h.written(); return n })
	}
	assert.NotContains(t, h.Logged.String(), "eyJ", "a token is in the log")
	assert.NotContains(t, h.Logged.String(), "panic")
}

// send writes what was sent and listens until the connection ends, or is closed by a
// WebSocket's close frame.
func (h *house) send(t *testing.T, addr, sent string) (got, raw string) {
	t.Helper()
	c := h.dial(t, addr)
	written := make(chan struct{})
	go func() {
		defer close(written)
		// The server may answer and close before all of it is sent.
		_, _ = io.WriteString(c, sent)
	}()
	method, _, _ := strings.Cut(sent, " ")
	got, raw = listened(t, c, method)
	_ = c.Close()
	<-written
	return got, raw
}

func (h *house) dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_ = c.SetDeadline(time.Now().Add(enough))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// listened is what came until the end.
func listened(t *testing.T, c net.Conn, method string) (got, raw string) {
	t.Helper()
	var all bytes.Buffer
	in := bufio.NewReader(io.TeeReader(c, &all))
	var came []string
	for {
		if _, err := in.Peek(1); err != nil {
			require.NotErrorIs(t, err, errTimeout(err), "nothing ends it; so far %.200q", all.String())
			return strings.Join(came, " "), all.String()
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return strings.Join(append(came, "no HTTP: "+err.Error()), " "), all.String()
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		came = append(came, strconv.Itoa(resp.StatusCode))
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return strings.Join(append(came, closed(in)...), " "), all.String()
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			require.NotErrorIs(t, err, errTimeout(err), "nothing ends it; so far %.200q", all.String())
			came = append(came, "cut off")
		}
	}
}

// errTimeout is err where it is a timeout, and otherwise nobody's.
func errTimeout(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return errors.New("none")
}

// closed reads frames to the close frame and says its code.
func closed(in *bufio.Reader) []string {
	for {
		f, err := ws.ReadFrame(in)
		if err != nil {
			return []string{"broken off"}
		}
		if f.Header.OpCode == ws.OpClose {
			code, _ := ws.ParseCloseFrameDataUnsafe(f.Payload)
			return []string{"close", strconv.Itoa(int(code))}
		}
	}
}

// request is a request as it is sent: its line, its fields, and the end.
func request(line string, fields ...string) string {
	return line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// get is a request of a connection of its own.
func get(at, host string, fields ...string) string {
	return request("GET "+at+" HTTP/1.1", append([]string{"Host: " + host, "Connection: close"}, fields...)...)
}

func post(at string, fields ...string) string {
	return request("POST "+at+" HTTP/1.1", append([]string{"Host: " + victim, "Connection: close", "Content-Length: 0"}, fields...)...)
}

// upgrading are the fields that ask for a WebSocket.
const upgrading = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func upgrade(at string, fields ...string) string {
	return request("GET "+at+" HTTP/1.1", append([]string{"Host: " + victim, upgrading}, fields...)...)
}
