package selkies2

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

const patience = 10 * time.Second

// talker stands for the app's end.
type talker struct {
	got  chan signaling.Message
	done chan struct{}
	once sync.Once
}

func (a *talker) Handle(m signaling.Message) error { a.got <- m; return nil }
func (a *talker) Done() <-chan struct{}            { return a.done }
func (a *talker) Close()                           { a.once.Do(func() { close(a.done) }) }

type place struct {
	*Server
	t      *testing.T
	url    string
	opened chan *talker
}

func newPlace(t *testing.T, token string) *place {
	p := &place{t: t, opened: make(chan *talker, 8)}
	p.Server = NewServer(func(_ context.Context, h Hello, send func(signaling.Message) error) (signaling.Session, error) {
		a := &talker{got: make(chan signaling.Message, 8), done: make(chan struct{})}
		p.opened <- a
		return a, send(signaling.Message{SDP: &signaling.Description{Type: "offer", SDP: "offer for a " + h.Type}})
	}, token, slog.New(slog.DiscardHandler))
	web := httptest.NewServer(p)
	t.Cleanup(web.Close)
	p.url = "ws" + strings.TrimPrefix(web.URL, "http")
	return p
}

const (
	controllerHello = `HELLO client {"client_type":"controller","client_slot":-1,"client_strict_viewer":false,"client_token":"","display_id":"primary","display_position":"right"}`
	viewerHello     = `HELLO client {"client_type":"viewer","client_slot":-1}`
)

func (p *place) dial(first string) *websocket.Conn {
	p.t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(p.t.Context(), p.url, nil)
	require.NoError(p.t, err)
	_ = resp.Body.Close() // empty: the socket is conn
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	p.say(conn, first)
	return conn
}

func (p *place) say(conn *websocket.Conn, text string) {
	p.t.Helper()
	require.NoError(p.t, conn.WriteMessage(websocket.TextMessage, []byte(text)))
}

func (p *place) read(conn *websocket.Conn) string {
	p.t.Helper()
	_, raw, err := conn.ReadMessage()
	require.NoError(p.t, err)
	return string(raw)
}

func (p *place) expect(conn *websocket.Conn, want string) {
	p.t.Helper()
	require.Equal(p.t, want, p.read(conn), "read")
}

func (p *place) expectClose(conn *websocket.Conn, code int, reason string) {
	p.t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if err == nil {
			continue
		}
		require.ErrorAs(p.t, err, &closed)
		require.Equal(p.t, code, closed.Code)
		require.Equal(p.t, reason, closed.Text, "reason")
		return
	}
}

// called brings a client into a session and returns the app's name.
func (p *place) called(conn *websocket.Conn, kind string) string {
	p.t.Helper()
	p.expect(conn, "HELLO")
	p.say(conn, "SESSION server")
	app, ok := strings.CutPrefix(p.read(conn), "SESSION_OK ")
	require.True(p.t, ok)
	require.True(p.t, strings.HasPrefix(app, "server-"), "the call was answered with %q", app)
	p.expect(conn, app+` {"sdp":{"type":"offer","sdp":"offer for a `+kind+`"}}`)
	return app
}

func TestTheClientCallsAndTheAppOffersUnderItsName(t *testing.T) {
	p := newPlace(t, "")
	p.Join()
	conn := p.dial(controllerHello)
	name := p.called(conn, Controller)
	p.say(conn, `server-other {"sdp":{"type":"answer","sdp":"v=1"}}`)
	p.say(conn, name+` {"sdp":{"type":"answer","sdp":"v=0"}}`)
	app := <-p.opened
	select {
	case m := <-app.got:
		require.NotNil(t, m.SDP)
		require.Equal(t, "v=0", m.SDP.SDP, "the app got %+v, want the answer with its name", m)
	case <-time.After(patience):
		t.Fatal("the answer did not arrive")
	}
}

func TestACallFindsNobodyUntilTheAppHasJoined(t *testing.T) {
	p := newPlace(t, "")
	conn := p.dial(controllerHello)
	p.expect(conn, "HELLO")
	p.say(conn, "SESSION server")
	p.expect(conn, "ERROR peer server not found")
	p.Join()
	p.say(conn, "SESSION server")
	got := p.read(conn)
	require.True(t, strings.HasPrefix(got, "SESSION_OK server-"), "the second call was answered with %q", got)
}

func TestWhatIsNoHelloIsRefused(t *testing.T) {
	p := newPlace(t, "")
	for _, text := range []string{"GOOD DAY", "HELLO client", "HELLO client []", `HELLO client {"client_type":"guest"}`, `HELLO 1 eyJyZXMiOiIxeDEifQ==`} {
		p.expectClose(p.dial(text), websocket.CloseProtocolError, "invalid protocol")
	}
}

func TestAWrongTokenIsRefused(t *testing.T) {
	p := newPlace(t, "secret")
	p.expectClose(p.dial(controllerHello), CloseSuperseded, "Invalid authentication token")
	p.expect(p.dial(`HELLO client {"client_type":"controller","client_token":"secret"}`), "HELLO")
}

func TestTheNewestControllerWinsUntilTheyFight(t *testing.T) {
	p := newPlace(t, "")
	holder := p.dial(controllerHello)
	p.expect(holder, "HELLO")
	for range stormLimit {
		next := p.dial(controllerHello)
		p.expect(next, "HELLO")
		p.expectClose(holder, CloseSuperseded, "Superseded by a new controller connection.")
		holder = next
	}
	p.expectClose(p.dial(controllerHello), CloseRejected, "Session takeover loop detected; another page holds this session.")
}

func TestViewersNeedAControllerAndLoseTheirStreamWithIt(t *testing.T) {
	p := newPlace(t, "")
	p.Join()
	p.expectClose(p.dial(viewerHello), CloseRejected, "No controller detected. Viewer clients require an existing controller client.")
	controller := p.dial(controllerHello)
	before := p.called(controller, Controller)
	viewer := p.dial(viewerHello)
	p.called(viewer, Viewer)
	_ = controller.Close()
	p.expectClose(viewer, CloseRejected, "Server disconnected, closing connection.")
	again := p.dial(controllerHello)
	assert.NotEqual(t, before, p.called(again, Controller), "the app is still registered as")
}

func TestAPathOfSelkies2(t *testing.T) {
	for path, want := range map[string]bool{
		"/api/webrtc/signaling/": true, "/api/webrtc/signaling": true, "/api/ws": true, "/webrtc/signalling/": false, "/api/websockets": false,
	} {
		assert.Equal(t, want, IsPath(path), "IsPath(%q)", path)
	}
}
