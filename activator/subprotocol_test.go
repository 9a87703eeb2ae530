package activator_test

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

// choosy is a desktop that says what it hears in the first of its subprotocols that the
// client offers.
type choosy struct {
	*httptest.Server
	// upgrades counts what it upgraded, offered is what it was offered last.
	upgrades atomic.Int32
	offered  atomic.Value
}

func newChoosy(t *testing.T, speaks ...string) *choosy {
	t.Helper()
	d := &choosy{}
	up := websocket.Upgrader{Subprotocols: speaks}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.offered.Store(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), "|"))
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		d.upgrades.Add(1)
		for {
			kind, m, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, append([]byte("echo "), m...)) != nil {
				return
			}
		}
	}))
	t.Cleanup(d.Close)
	return d
}

// newRaw is a desktop that upgrades with these further fields of its answer's head, and what
// follows them, and is silent then.
func newRaw(t *testing.T, fields string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			base64.StdEncoding.EncodeToString(sum[:])+"\r\n"+fields)
		_, _ = io.Copy(io.Discard, conn)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// mute is a desktop that accepts connections and never answers.
type mute struct {
	*httptest.Server
	// asked counts the upgrades that it was asked for, left those of whom nobody waits for
	// an answer any longer.
	asked, left atomic.Int32
}

func newMute(t *testing.T) *mute {
	t.Helper()
	d := &mute{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			d.asked.Add(1)
			defer d.left.Add(1)
		}
		<-r.Context().Done()
	}))
	t.Cleanup(func() {
		d.CloseClientConnections() // for which Close waits
		d.Close()
	})
	return d
}

func (d *mute) expect(t testing.TB, asked, left int32) {
	t.Helper()
	eventually.Equal(t, "asked", asked, d.asked.Load)
	eventually.Equal(t, "left", left, d.left.Load)
}

// asking is a client whose desktop is asked, once, while the client has no answer yet. The
// client comes when it has one, nil where it is refused.
func (g *gateway) asking(d *mute, offers ...string) <-chan *websocket.Conn {
	g.T.Helper()
	answered := make(chan *websocket.Conn, 1)
	go func() {
		ws, _, _ := websocket.DefaultDialer.DialContext(g.T.Context(), "ws"+strings.TrimPrefix(g.Front.URL, "http")+"/desk",
			with(g.offering(offers...), "Host", host))
		answered <- ws
	}()
	d.expect(g.T, 1, 0)
	select {
	case <-answered:
		g.T.Fatal("the client has an answer before the desktop gave one")
	case <-time.After(20 * time.Millisecond): // for what must not come there is nothing to wait for
	}
	assert.EqualValues(g.T, 1, value(g.Metrics.Held)(), "who asks has no place")
	assert.EqualValues(g.T, 1, value(g.Metrics.LiveWebSockets)(), "who asks has no place")
	return answered
}

// expectSoon is the client, once it has its answer.
func (g *gateway) expectSoon(answered <-chan *websocket.Conn) *websocket.Conn {
	g.T.Helper()
	select {
	case ws := <-answered:
		require.NotNil(g.T, ws, "it is refused")
		g.T.Cleanup(func() { _ = ws.Close() })
		return ws
	case <-time.After(enough):
		g.T.Fatal("the client has no answer while the desktop has time to give one")
		return nil
	}
}

// offering is a client of the desktop's page that offers subprotocols, a header line each.
func (g *gateway) offering(lines ...string) http.Header {
	h := g.As(fromPage)
	h["Sec-Websocket-Protocol"] = lines
	return h
}

func (g *gateway) chooses(subprotocols ...string) {
	g.Change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Subprotocols: subprotocols} })
}

// expectNobody waits until every place is given back.
func (g *gateway) expectNobody() {
	g.T.Helper()
	eventually.Equal(g.T, "held", 0, value(g.Metrics.Held))
	eventually.Equal(g.T, "open", 0, value(g.Metrics.LiveWebSockets))
	eventually.Equal(g.T, "relayed", 0, value(g.Metrics.Relayed))
}

func TestWhoComesBeforeTheDesktopIsPromisedWhatItWillSpeak(t *testing.T) {
	for name, tc := range map[string]struct {
		template, offers []string
		want             string
	}{
		"what the template says":             {[]string{"b"}, []string{"a, b"}, "b"},
		"what it says first":                 {[]string{"c", "b", "a"}, []string{"a, b"}, "b"},
		"before what the protocol says":      {[]string{"a"}, []string{"a, binary"}, "a"},
		"what the protocol says":             {[]string{"x"}, []string{"base64", "binary"}, "binary"},
		"otherwise the client's first":       {nil, []string{"a, b"}, "a"},
		"of many that the client offers":     {[]string{"b"}, []string{strings.Repeat("a, ", 999) + "b"}, "b"},
		"whatever else it offers as well":    {nil, []string{"a, a", "a"}, "a"},
		"and nobody who does not ask for it": {[]string{"b"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.chooses(tc.template...)
			ws := g.dial("/desk", g.offering(tc.offers...))
			require.Equal(t, tc.want, ws.Subprotocol())
			say(t, ws, "first")
			d := newChoosy(t, tc.want)
			g.Wakes(d.Server)
			expectEcho(t, ws, "first")
			assert.Equal(t, strings.Join(tc.offers, ", "), d.offered.Load(), "the desktop is offered something else")
		})
	}
}

func TestADesktopThatIsAwakeChooses(t *testing.T) {
	for name, tc := range map[string]struct {
		speaks, offers []string
		want           string
	}{
		"another than the first":      {[]string{"b"}, []string{"a, b"}, "b"},
		"another than the template's": {[]string{"a", "t"}, []string{"a", "t"}, "a"},
		"of a thousand":               {[]string{"b"}, []string{strings.Repeat("a, ", 999) + "b"}, "b"},
		"none":                        {[]string{"c"}, []string{"a, b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.chooses("t")
			d := newChoosy(t, tc.speaks...)
			g.Wakes(d.Server)
			ws := g.dial("/desk", g.offering(tc.offers...))
			require.Equal(t, tc.want, ws.Subprotocol())
			for _, m := range []string{"first", "second"} {
				say(t, ws, m)
				expectEcho(t, ws, m)
			}
			assert.Equal(t, strings.Join(tc.offers, ", "), d.offered.Load())
			assert.EqualValues(t, 1, d.upgrades.Load(), "upgrades at the desktop")
			assert.EqualValues(t, 1, value(g.Metrics.Relayed)(), "relayed")
			_ = ws.Close()
			g.expectNobody()
		})
	}
}

func TestWhatADesktopSaysBehindItsAnswerReachesTheClient(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newRaw(t, "Sec-WebSocket-Protocol: b\r\n\r\n\x82\x0cRFB 003.008\n"))
	ws := g.dial("/desk", g.offering("a, b"))
	require.Equal(t, "b", ws.Subprotocol())
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	_, m, err := ws.ReadMessage()
	require.NoError(t, err)
	assert.Equal(t, "RFB 003.008\n", string(m))
}

// TestAWrongPromiseIsRightTheNextTime is the story of a client whose desktop was asleep, and
// speaks what nobody could know.
func TestAWrongPromiseIsRightTheNextTime(t *testing.T) {
	g := newGateway(t)
	d := newChoosy(t, "b")
	held := g.dial("/desk", g.offering("a, b"))
	require.Equal(t, "a", held.Subprotocol())
	say(t, held, "first")
	g.Wakes(d.Server)
	expectClosed(t, held, 1011, `the desktop speaks the subprotocol "b", but the client was told "a"; connect again`)
	g.ExpectRefusals(closing.Subprotocol, 1)
	g.expectNobody()
	again := g.dial("/desk", g.offering("a, b"))
	require.Equal(t, "b", again.Subprotocol())
	say(t, again, "first")
	expectEcho(t, again, "first")
	g.ExpectRefusals(closing.Subprotocol, 1)
}

func TestADesktopThatIsAskedRefusesByItsStatus(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 426, 500} {
		g := newGateway(t)
		d := newSelkies2(t, webSockets)
		g.Wakes(d.Server)
		there := g.dial(webSockets, g.As(fromPage))
		say(t, there, "cr")
		expectEcho(t, there, "cr")
		d.instead.Store(int32(status))
		resp := g.upgrade(webSockets, g.offering("a"))
		require.NotNil(t, resp)
		require.Equal(t, status, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Contains(t, string(body), "the desktop refused the connection")
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		assert.Equal(t, status == 401, resp.Header.Get("WWW-Authenticate") != "", "%d comes with a challenge", status)
		g.ExpectRefusals(closing.DesktopRejected, 1)
		_ = there.Close()
		g.expectNobody()
	}
}

func TestADesktopThatIsAskedWhileItStartsIsWaitedFor(t *testing.T) {
	for _, status := range []int{404, 502, 503, 504} {
		g := newGateway(t)
		d := newSelkies2(t, "/desk")
		d.instead.Store(int32(status))
		g.Wakes(d.Server)
		ws := g.dial("/desk", g.offering("a, b"))
		require.Equal(t, "a", ws.Subprotocol(), "%d", status)
		say(t, ws, "first")
		d.instead.Store(0)
		expectEcho(t, ws, "first")
	}
}

func TestADesktopThatDoesNotAnswerIsNotAskedForEver(t *testing.T) {
	const bound = 300 * time.Millisecond
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = bound })
	d := newMute(t)
	g.Wakes(d.Server)
	begun := time.Now()
	ws := g.expectSoon(g.asking(d, "a, b"))
	assert.GreaterOrEqual(t, time.Since(begun), bound, "the desktop has less time than the limit gives it")
	require.Equal(t, "a", ws.Subprotocol(), "the client is promised what one whose desktop sleeps is")
	d.expect(t, 2, 1) // it is held, and asks as who is held does; the first question has ended
	eventually.Equal(t, "held", 1, value(g.Metrics.Held))
}

func TestADesktopThatDoesNotAcceptIsNotWaitedForBeforeItsClientIsHeld(t *testing.T) {
	g := newGateway(t)
	d := newMute(t)
	d.Close()
	g.Wakes(d.Server)
	g.Change(func(s *v1alpha1.VDISession) { s.Status.ReadyTime = s.Status.StartTime }) // it accepted before
	begun := time.Now()
	ws := g.dial("/desk", g.offering("a, b"))
	assert.Less(t, time.Since(begun), enough, "its client waits for as long as a plain request")
	require.Equal(t, "a", ws.Subprotocol())
	eventually.Equal(t, "held", 1, value(g.Metrics.Held))
}

func TestWhoAsksADesktopIsEndedLikeWhoIsHeld(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*gateway)
		code    int
	}{
		"the session is deleted":   {func(g *gateway) { g.Directory.DropSession(alice) }, 4404},
		"it is switched off":       {func(g *gateway) { g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff }) }, 4403},
		"the activator shuts down": {func(g *gateway) { g.StopHolding() }, 1012},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			d := newMute(t)
			g.Wakes(d.Server)
			answered := g.asking(d, "a")
			tc.happens(g)
			expectClosed(t, g.expectSoon(answered), tc.code, "")
			d.expect(t, 1, 1) // and is not asked again
			g.expectNobody()
		})
	}
}

func TestAClientThatLeavesWhileItsDesktopIsAskedGivesItsPlacesBack(t *testing.T) {
	g := newGateway(t)
	d := newMute(t)
	g.Wakes(d.Server)
	conn, err := net.Dial("tcp", g.Front.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /desk HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a\r\nCookie: "+g.As(noBrowser).Get("Cookie")+"\r\n\r\n")
	require.NoError(t, err)
	d.expect(t, 1, 0)
	left := time.Now()
	require.NoError(t, conn.Close())
	d.expect(t, 1, 1)
	g.expectNobody()
	assert.Less(t, time.Since(left), enough, "they come back when the desktop has no more time")
}

func TestThePlacesBoundWhoAsks(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.LiveWebSocketsPerSession = 1 })
	d := newMute(t)
	g.Wakes(d.Server)
	g.asking(d, "b")
	expectClosed(t, g.dial("/desk", g.offering("b")), 1013, "too many")
	g.ExpectRefusals(closing.LiveWebSocketsPerSession, 1)
	d.expect(t, 1, 0) // of the second it hears nothing
}

// TestADesktopThatWasAskedAndDiesIsReplaced has the next one say other things than the first:
// the client hears of one of them only, and each hears everything once.
func TestADesktopThatWasAskedAndDiesIsReplaced(t *testing.T) {
	g := newGateway(t)
	heard := make(chan string, 10)
	up := websocket.Upgrader{Subprotocols: []string{"b"}}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, m, _ := ws.ReadMessage()
		heard <- string(m)
		_ = ws.Close()
	}))
	defer broken.Close()
	g.Wakes(broken)
	ws := g.dial("/desk", g.offering("a, b"))
	say(t, ws, "first")
	require.Equal(t, "first", <-heard)
	g.Wakes(newChoosy(t, "b").Server)
	say(t, ws, "second")
	for _, m := range []string{"first", "second"} {
		expectEcho(t, ws, m)
	}
	assert.EqualValues(t, 1, value(g.Metrics.Relayed)(), "relayed")
	_ = ws.Close()
	g.expectNobody()
}

func TestADesktopThatChoosesWhatWasNotOfferedIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		fields string
		why    *closing.Refusal
		says   string
	}{
		"another":                {"Sec-WebSocket-Protocol: c\r\n\r\n", closing.DesktopRejected, `"c", which was not offered`},
		"two lines":              {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n", closing.DesktopRejected, "not offered"},
		"two in a line":          {"Sec-WebSocket-Protocol: a, b\r\n\r\n", closing.DesktopRejected, "not offered"},
		"bytes that are no text": {"Sec-WebSocket-Protocol: \xff\xfe\r\n\r\n", closing.DesktopRejected, `"\xff\xfe"`},
		"a control character":    {"Sec-WebSocket-Protocol: a\x07\r\n\r\n", closing.DesktopRejected, "no HTTP"},
		"a long one":             {"Sec-WebSocket-Protocol: " + strings.Repeat("a", 16<<10) + "\r\n\r\n", closing.DesktopRejected, "not offered"},
		"one without an end":     {"Sec-WebSocket-Protocol: " + strings.Repeat("a", 64<<10), closing.DesktopHeaderBytes, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			held := g.dial("/desk", g.offering("a, b"))
			g.Wakes(newRaw(t, tc.fields))
			expectClosed(t, held, 1011, tc.says)
			resp := g.upgrade("/desk", g.offering("a, b"))
			require.NotNil(t, resp)
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Contains(t, string(body), tc.says)
			assert.Less(t, len(body), 300, "the answer quotes all of it")
			g.ExpectRefusals(tc.why, 2)
			g.expectNobody()
		})
	}
}

func TestAnOfferThatIsNoneIsRefusedAndWakesNothing(t *testing.T) {
	g := newGateway(t)
	for i, lines := range [][]string{{""}, {"a b"}} {
		resp := g.upgradeRaw(lines)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "%q", lines)
		g.ExpectRefusals(closing.UpgradeSubprotocol, float64(i+1))
	}
	g.expectNobody()
	g.expectNothingWritten()
}

// upgradeRaw asks for a WebSocket as no client of Go's does.
func (g *gateway) upgradeRaw(offers []string) *http.Response {
	g.T.Helper()
	conn, err := net.Dial("tcp", g.Front.Listener.Addr().String())
	require.NoError(g.T, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /desk HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+strings.Join(offers, "\r\nSec-WebSocket-Protocol: ")+
		"\r\nCookie: "+g.As(noBrowser).Get("Cookie")+"\r\n\r\n")
	require.NoError(g.T, err)
	_ = conn.SetReadDeadline(time.Now().Add(enough))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(g.T, err)
	_ = resp.Body.Close()
	return resp
}
