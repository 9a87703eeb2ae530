// Package standintest is the signaling server of Selkies 1.6 as tests need it: real sockets on
// the loopback interface, whose app says what the test says.
package standintest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// Selkies registers peers, one of each name, and refuses others with 1002, "invalid peer uid"
// (v1.6.2, signalling_web.py:405-428).
type Selkies struct {
	*httptest.Server

	mu    sync.Mutex
	peers map[string]*websocket.Conn
	said  []string
	heard map[string][]string
	pongs int
	// ignored is a peer whose HELLO is never answered.
	ignored string
}

// New starts one, at l or, without it, anywhere.
func New(t testing.TB, l net.Listener) *Selkies {
	t.Helper()
	s := &Selkies{peers: map[string]*websocket.Conn{}, heard: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	if l != nil {
		_ = s.Listener.Close()
		s.Listener = l
	}
	s.Start()
	t.Cleanup(func() {
		s.BreakOff()
		s.Close()
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Selkies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/signalling/") {
		http.NotFound(w, r)
		return
	}
	c, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, m, err := c.ReadMessage()
	words := strings.Fields(string(m))
	if err != nil || len(words) < 2 {
		return
	}
	uid := words[1]
	if s.ignores(uid) {
		_, _, _ = c.ReadMessage() // until it leaves
		return
	}
	if !s.register(c, uid, string(m)) {
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseProtocolError, "invalid peer uid"))
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.peers, uid)
	}()
	for {
		_, m, err := c.ReadMessage()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.heard[uid] = append(s.heard[uid], string(m))
		s.mu.Unlock()
	}
}

func (s *Selkies) register(c *websocket.Conn, uid, said string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers[uid] != nil {
		return false
	}
	s.peers[uid], s.said = c, append(s.said, said)
	c.SetPongHandler(func(string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pongs++
		return nil
	})
	_ = c.WriteMessage(websocket.TextMessage, []byte("HELLO")) // one that has gone is found out by reading
	return true
}

// Ignores has it never answer a peer's HELLO, as one that is asleep.
func (s *Selkies) Ignores(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ignored = uid
}

func (s *Selkies) ignores(uid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uid == s.ignored
}

// Say has the app say something to a peer, which must be there.
func (s *Selkies) Say(t testing.TB, uid, text string) {
	t.Helper()
	s.write(t, uid, websocket.TextMessage, text)
}

// Ping pings a peer, which must be there.
func (s *Selkies) Ping(t testing.TB, uid string) {
	t.Helper()
	s.write(t, uid, websocket.PingMessage, "x")
}

func (s *Selkies) write(t testing.TB, uid string, kind int, text string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(t, s.peers[uid], "peer %s", uid)
	require.NoError(t, s.peers[uid].WriteMessage(kind, []byte(text)))
}

// BreakOff ends all connections without a word.
func (s *Selkies) BreakOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.peers {
		_ = c.Close()
	}
}

// Registered is how many peers are there.
func (s *Selkies) Registered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// Said are the HELLOs of all that were ever registered.
func (s *Selkies) Said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.said...)
}

// Heard is what a peer said after its HELLO.
func (s *Selkies) Heard(uid string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heard[uid]...)
}

// Pongs is how many pings were answered.
func (s *Selkies) Pongs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pongs
}

// Port is where it listens.
func (s *Selkies) Port() uint16 { return uint16(s.Listener.Addr().(*net.TCPAddr).Port) }
