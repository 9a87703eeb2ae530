package signaling

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
)

// talker stands for the app's end.
type talker struct {
	got  chan Message
	done chan struct{}
	once sync.Once
}

func (a *talker) Handle(m Message) error { a.got <- m; return nil }
func (a *talker) Done() <-chan struct{}  { return a.done }
func (a *talker) Close()                 { a.once.Do(func() { close(a.done) }) }

type place struct {
	*Server
	t      *testing.T
	url    string
	opened chan *talker
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, opened: make(chan *talker, 8)}
	p.Server = NewServer(func(_ context.Context, h Hello, send func(Message) error) (Session, error) {
		a := &talker{got: make(chan Message, 8), done: make(chan struct{})}
		p.opened <- a
		return a, send(Message{SDP: &Description{Type: "offer", SDP: "offer for " + h.UID}})
	}, slog.New(slog.DiscardHandler))
	web := httptest.NewServer(p)
	t.Cleanup(web.Close)
	p.url = "ws" + strings.TrimPrefix(web.URL, "http")
	return p
}

func (p *place) dial(first string) *websocket.Conn {
	p.t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(p.t.Context(), p.url, nil)
	require.NoError(p.t, err)
	_ = resp.Body.Close() // empty: the socket is conn
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	require.NoError(p.t, conn.WriteMessage(websocket.TextMessage, []byte(first)))
	return conn
}

func (p *place) expect(conn *websocket.Conn, want string) {
	p.t.Helper()
	_, raw, err := conn.ReadMessage()
	require.NoError(p.t, err)
	require.Equal(p.t, want, strings.TrimSpace(string(raw)), "read %q", raw)
}

func (p *place) expectClose(conn *websocket.Conn, code int, reason string) {
	p.t.Helper()
	_, raw, err := conn.ReadMessage()
	var closed *websocket.CloseError
	require.ErrorAs(p.t, err, &closed)
	require.Equal(p.t, code, closed.Code)
	require.Equal(p.t, reason, closed.Text, "read %q, reason", raw)
}

func TestHelloIsAnsweredAndTheAppOffers(t *testing.T) {
	p := newPlace(t)
	for _, uid := range []string{BrowserVideo, BrowserAudio} {
		conn := p.dial("HELLO " + uid)
		p.expect(conn, "HELLO")
		p.expect(conn, `{"sdp":{"type":"offer","sdp":"offer for `+uid+`"}}`)
	}
}

func TestOtherIdsAreOnlyRegistered(t *testing.T) {
	p := newPlace(t)
	conn := p.dial("HELLO 7")
	p.expect(conn, "HELLO")
	select {
	case <-p.opened:
		t.Fatal("a session was opened for peer 7")
	case <-time.After(20 * time.Millisecond):
	}
}

func TestFirstMessageMustBeHello(t *testing.T) {
	p := newPlace(t)
	p.expectClose(p.dial("GOOD DAY"), websocket.CloseProtocolError, "invalid protocol")
}

func TestIdInUseIsRefusedUntilItIsFree(t *testing.T) {
	p := newPlace(t)
	first := p.dial("HELLO 1")
	p.expect(first, "HELLO")
	p.expectClose(p.dial("HELLO 1"), websocket.CloseProtocolError, "invalid peer uid")
	_ = first.Close()
	eventually.True(t, "the id is free", func() bool { return !p.Present("1") })
	p.expect(p.dial("HELLO 1"), "HELLO")
}

func TestTheAppsOwnIdsAreTaken(t *testing.T) {
	p := newPlace(t)
	for _, uid := range []string{AppVideo, AppAudio} {
		p.expectClose(p.dial("HELLO "+uid), websocket.CloseProtocolError, "invalid peer uid")
	}
}

func TestWhenTheBrowserLeavesTheSessionEnds(t *testing.T) {
	p := newPlace(t)
	conn := p.dial("HELLO 1")
	p.expect(conn, "HELLO")
	app := <-p.opened
	_ = conn.Close()
	select {
	case <-app.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the session is still open")
	}
}

func TestWhenTheAppLeavesTheSocketCloses(t *testing.T) {
	p := newPlace(t)
	conn := p.dial("HELLO 1")
	p.expect(conn, "HELLO")
	app := <-p.opened
	p.expect(conn, `{"sdp":{"type":"offer","sdp":"offer for 1"}}`)
	app.Close()
	p.expectClose(conn, websocket.CloseNormalClosure, "")
}

func TestTheBrowsersMessagesReachTheApp(t *testing.T) {
	p := newPlace(t)
	conn := p.dial("HELLO 1")
	// Sent with HELLO in one go, before there is a session.
	for _, text := range []string{"nonsense", `{"sdp":{"type":"answer","sdp":"v=0"}}`} {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(text)))
	}
	app := <-p.opened
	select {
	case m := <-app.got:
		require.NotNil(t, m.SDP)
		require.Equal(t, "v=0", m.SDP.SDP, "got %+v, want the answer", m)
	case <-time.After(10 * time.Second):
		t.Fatal("the answer did not arrive")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	p := newPlace(t)
	conn := p.dial("HELLO 1")
	p.expect(conn, "HELLO")
	p.expect(conn, `{"sdp":{"type":"offer","sdp":"offer for 1"}}`)
	_ = conn.WriteMessage(websocket.TextMessage, make([]byte, LargestMessage+1))
	p.expectClose(conn, websocket.CloseMessageTooBig, "")
}
