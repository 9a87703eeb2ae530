package hold

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is how long a test waits for what must happen.
const enough = 10 * time.Second

var roomy = Limits{BufferedBytes: 1 << 30, BufferedFrames: 1 << 20, MessageBytes: 1 << 20}

// pair returns both ends of a WebSocket over TCP.
func pair(t testing.TB) (server, client *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	srv := httptest.NewServer(upgrading(accepted))
	t.Cleanup(srv.Close)
	client, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return server, client
}

// pipes returns both ends of a WebSocket in memory, without any buffer on the way,
// for use in a bubble of testing/synctest.
func pipes(t testing.TB) (server, client *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	here, there := net.Pipe()
	l := &oneConn{conn: there, closed: make(chan struct{})}
	srv := &http.Server{Handler: upgrading(accepted)}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return here, nil }}
	client, _, err := dialer.Dial("ws://desktop/", nil)
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		_ = srv.Close()
		<-served
	})
	return server, client
}

func upgrading(accepted chan<- *websocket.Conn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil); err == nil {
			accepted <- ws
		}
	})
}

type oneConn struct {
	mu     sync.Mutex
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.conn
	l.conn = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// held is a client whose connection is kept.
type held struct {
	*Conn
	ctx    context.Context
	client *websocket.Conn
}

func hold(t testing.TB, pair func(testing.TB) (a, b *websocket.Conn), p signaling.Protocol, l Limits) held {
	t.Helper()
	server, client := pair(t)
	c, ctx := Keep(t.Context(), server, p, l)
	return held{c, ctx, client}
}

// serve relays in the background, as the activator does, and then closes both.
func (h held) serve(t testing.TB, toDesktop *websocket.Conn) (ended <-chan error) {
	t.Helper()
	out := make(chan error, 1)
	go func() {
		err := h.Relay(h.ctx, toDesktop, nil)
		_ = toDesktop.WriteControl(websocket.CloseMessage, ClientClose(err), time.Now().Add(closeWithin))
		_ = toDesktop.Close()
		h.Close(err)
		out <- err
	}()
	return out
}

// receive reads messages until the connection ends.
func receive(ws *websocket.Conn) (messages []string, err error) {
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(data))
	}
}

func expectClose(t testing.TB, err error, code int, text string) {
	t.Helper()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Text != text {
		t.Errorf("ended with %v, want code %d and %q", err, code, text)
	}
}

func expectEnd(t testing.TB, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(enough):
		t.Fatal("the relay did not end")
		return nil
	}
}

func send(t testing.TB, ws *websocket.Conn, text string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}
