package hold

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is how long a test waits for what must happen.
const enough = 10 * time.Second

var roomy = Limits{BufferedBytes: 1 << 30, BufferedFrames: 1 << 20, MessageBytes: 1 << 20, HoldTime: 24 * time.Hour}

// network makes connections: over TCP, or in memory and without any buffer on the
// way, for use in a bubble of testing/synctest.
type network interface {
	// connect returns both ends of one.
	connect(testing.TB) (a, b net.Conn)
}

type tcp struct{}

func (tcp) connect(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	a, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err = l.Accept()
	require.NoError(t, err)
	return a, b
}

type pipes struct{}

func (pipes) connect(testing.TB) (a, b net.Conn) { return net.Pipe() }

// visited is a client's end, and ours after the upgrade.
func visited(t testing.TB, n network) (client *websocket.Conn, ours net.Conn, before []byte) {
	t.Helper()
	a, b := n.connect(t)
	upgraded := make(chan struct{})
	go serveOne(b, func(w http.ResponseWriter, r *http.Request) {
		defer close(upgraded)
		conn, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			t.Error(err)
			return
		}
		ours, before = conn, make([]byte, rw.Reader.Buffered())
		_, err = io.ReadFull(rw.Reader, before)
		assert.NoError(t, err)
	})
	client = dialOn(t, a, nil)
	<-upgraded
	t.Cleanup(func() { _ = client.Close(); _ = ours.Close() })
	return client, ours, before
}

func dialOn(t testing.TB, conn net.Conn, h http.Header) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return conn, nil }}
	out, _, err := d.Dial("ws://alice.example/", h)
	require.NoError(t, err)
	return out
}

// serveOne serves the requests of one connection until it is taken over or ends.
func serveOne(conn net.Conn, h http.HandlerFunc) {
	l := &oneConn{conn: conn, closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateHijacked || s == http.StateClosed {
			_ = l.Close()
		}
	}}
	_ = srv.Serve(l)
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

// held is a client whose connection is kept, and the activator around it.
type held struct {
	*Conn
	t      testing.TB
	n      network
	client *websocket.Conn
	ended  chan error

	mu      sync.Mutex
	done    func(net.Conn, error)
	waiting chan struct{}
	gone    error
	full    error
	redials int

	reached, firsts, inputs, idles, rejected, withheld atomic.Int32
	budget                                             budget
	// panics says that a panic is expected.
	panics bool
	// starts says that a refusal may only mean that the desktop starts.
	starts              atomic.Bool
	toDesktop, toClient atomic.Int64
}

var _ Host = (*held)(nil)

func hold(t testing.TB, n network, p *signaling.Protocol, l Limits) *held {
	t.Helper()
	return holdAs(t, n, p.Traits, p.Converse(signaling.Options{ICEPolicy: "all"}), l)
}

func holdAs(t testing.TB, n network, traits signaling.Traits, talk signaling.Conversation, l Limits) *held {
	t.Helper()
	h := &held{t: t, n: n, ended: make(chan error, 1), waiting: make(chan struct{}, 1000)}
	if l.HoldTime == 0 {
		l.HoldTime = time.Hour
	}
	client, ours, before := visited(t, n)
	h.client = client
	h.Conn = Accept(ours, before, Options{Traits: traits, Conversation: talk, Limits: l, Host: h, HeldBytes: &h.budget, Request: request()})
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ended <- h.Serve()
	}()
	t.Cleanup(func() {
		h.End(closing.ShuttingDown.Ending())
		_ = client.Close()
		<-done
	})
	return h
}

func (h *held) Await(done func(net.Conn, error)) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = done
	h.waiting <- struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.done = nil
	}
}

func (h *held) Gone() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone
}

func (h *held) Held() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.redials++
	return h.full
}

func (h *held) Rejected(n int) bool {
	h.rejected.Store(int32(n))
	return h.starts.Load()
}
func (h *held) Reached()        { h.reached.Add(1) }
func (h *held) Live()           {}
func (h *held) First()          { h.firsts.Add(1) }
func (h *held) Input()          { h.inputs.Add(1) }
func (h *held) Withheld(bool)   { h.withheld.Add(1) }
func (h *held) ToDesktop(n int) { h.toDesktop.Add(int64(n)) }
func (h *held) ToClient(n int)  { h.toClient.Add(int64(n)) }
func (h *held) Panicked(p any) {
	if !h.panics {
		h.t.Errorf("panicked: %v", p)
	}
}

// budget is a Budget without a bound.
type budget struct{ atomic.Int64 }

func (b *budget) Take(n int) error { b.Add(int64(n)); return nil }
func (b *budget) Return(n int)     { b.Add(int64(-n)) }
func (b *budget) ReturnAll()       { b.Store(0) }
func (h *held) Idle(is bool) {
	if is {
		h.idles.Add(1)
	} else {
		h.idles.Add(-1)
	}
}

// give gives a connection to who waits for one.
func (h *held) give(conn net.Conn, err error) {
	<-h.waiting
	h.mu.Lock()
	done := h.done
	h.mu.Unlock()
	if done == nil {
		h.t.Error("nobody waits for a desktop any more")
		return
	}
	go done(conn, err)
}

// connect lets the client have a desktop, and returns the desktop's end.
func (h *held) connect() *websocket.Conn {
	h.t.Helper()
	a, b := h.n.connect(h.t)
	h.give(a, nil)
	return upgraded(h.t, b)
}

// upgraded is a desktop's end of conn.
func upgraded(t testing.TB, conn net.Conn) *websocket.Conn {
	t.Helper()
	out := make(chan *websocket.Conn, 1)
	serveOne(conn, func(w http.ResponseWriter, r *http.Request) {
		up, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		assert.NoError(t, err)
		out <- up
	})
	up := <-out
	t.Cleanup(func() { _ = up.Close() })
	return up
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

func expectMessages(t testing.TB, ws *websocket.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		_, got, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, w, string(got), "read %q", got)
	}
}

func expectClose(t testing.TB, err error, code int, text string) {
	t.Helper()
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, code, closed.Code)
	assert.Equal(t, text, closed.Text, "ended")
}

func expectEnd(t testing.TB, h *held) error {
	t.Helper()
	select {
	case err := <-h.ended:
		return err
	case <-time.After(enough):
		t.Fatal("the connection did not end")
		return nil
	}
}

func send(t testing.TB, ws *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}

func sendClose(t testing.TB, ws *websocket.Conn, frame []byte) {
	t.Helper()
	require.NoError(t, ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(enough)))
}
