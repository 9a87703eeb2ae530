package wsstream

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeTimeout = 10 * time.Second
	// pingEvery is aiohttp's heartbeat in Selkies 2; a client that does not answer for as
	// long again has gone.
	pingEvery = 30 * time.Second
	// mostClients bounds the sockets, mostKnown the addresses that are remembered.
	mostClients = 16
	mostKnown   = 256
	// largestText bounds what a client says in one message.
	largestText = 64 << 10
	// debounce is Selkies' RECONNECT_DEBOUNCE_MS.
	debounce = 500 * time.Millisecond
)

// The close codes of Selkies 2's WebSockets mode.
const (
	CloseBadToken = 4001
	CloseTooSoon  = 4029
)

// Roles of clients: a controller types and points, a viewer looks on.
const (
	Controller = "controller"
	Viewer     = "viewer"
)

// Media is what a client is sent while it looks. Both methods run until ctx ends.
type Media interface {
	// Video gives whole VP8 frames; each value received from keyFrame asks for a key frame.
	Video(ctx context.Context, keyFrame <-chan struct{}, sink func(vp8 []byte) error) error
	// Audio gives Opus packets.
	Audio(ctx context.Context, sink func(opus []byte) error) error
	// Size is the pictures'.
	Size() (width, height int)
	// Do carries out one input message; Release lets go of every key and button.
	Do(input string) error
	Release()
}

// Options of a server.
type Options struct {
	// Media waits until there is something to see.
	Media func(context.Context) (Media, error)
	// Token, unless empty, is what clients must give as ?token=.
	Token string
	// Guard closes an address that connects again within half a second with code 4029, as
	// Selkies 2 does and linuxserver's images do not.
	Guard bool
	Log   *slog.Logger
}

// Server takes WebSockets of browsers.
type Server struct {
	Options

	mu      sync.Mutex // guards all below
	clients map[*client]struct{}
	owner   *client              // whose SETTINGS came last
	last    map[string]time.Time // when an address connected last
	acks    uint64

	active   sync.WaitGroup // sockets
	upgrader websocket.Upgrader
}

// NewServer makes a server without clients.
func NewServer(o Options) *Server {
	return &Server{
		Options: o, clients: map[*client]struct{}{}, last: map[string]time.Time{},
		// The router has looked at the origin.
		upgrader: websocket.Upgrader{HandshakeTimeout: writeTimeout, CheckOrigin: func(*http.Request) bool { return true }},
	}
}

// Clients counts those connected, by role.
func (s *Server) Clients() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[string]int{Controller: 0, Viewer: 0}
	for c := range s.clients {
		count[c.role]++
	}
	return count
}

// Acknowledged counts the CLIENT_FRAME_ACKs that came.
func (s *Server) Acknowledged() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks
}

// CloseAll tells every client that the server goes away. New ones are not refused: the
// caller has stopped listening.
func (s *Server) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.close(websocket.CloseGoingAway, "")
	}
}

// Wait returns when no socket is left. Call it after CloseAll and after the end of the
// requests' context.
func (s *Server) Wait() { s.active.Wait() }

// admit lets a client in, or says with which code and reason it is refused.
func (s *Server) admit(c *client, r *http.Request) (code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Token != "" && r.URL.Query().Get("token") != s.Token {
		return CloseBadToken, "Invalid authentication token"
	}
	if s.Guard {
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		now := time.Now()
		if before, known := s.last[address]; known && now.Sub(before) < debounce {
			return CloseTooSoon, "Rate limited: reconnecting too quickly"
		}
		if len(s.last) >= mostKnown {
			clear(s.last)
		}
		s.last[address] = now
	}
	if len(s.clients) >= mostClients {
		return websocket.CloseTryAgainLater, "too many clients"
	}
	s.clients[c] = struct{}{}
	return 0, ""
}

func (s *Server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
	if s.owner == c {
		s.owner = nil
	}
}

// own makes a controller the one that the desktop obeys, in the place of another.
func (s *Server) own(c *client) {
	s.mu.Lock()
	old := s.owner
	s.owner = c
	s.mu.Unlock()
	if old != nil && old != c {
		_ = old.text("KILL a new primary client connected connection killed")
		old.close(websocket.CloseNormalClosure, "Superseded by new client")
	}
}

// ServeHTTP upgrades a request and stays until the client has gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Done()
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	conn.SetReadLimit(largestText)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()

	c := &client{server: s, conn: conn, role: Controller, drop: cancel, keyFrame: make(chan struct{}, 1)}
	if strings.EqualFold(r.URL.Query().Get("role"), Viewer) {
		c.role = Viewer
	}
	if code, reason := s.admit(c, r); code != 0 {
		s.Log.Info("refused a client", "code", code, "reason", reason)
		c.close(code, reason)
		return
	}
	defer s.forget(c)
	s.Log.Info("client connected", "role", c.role)
	defer s.Log.Info("client has left", "role", c.role)
	c.run(ctx)
}
