package selkies2

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

const (
	writeTimeout = 10 * time.Second
	// pingEvery is Selkies' keepalive_timeout; a client that does not answer for as long
	// again has gone.
	pingEvery = 30 * time.Second
	// mostClients bounds the sockets.
	mostClients = 16
	// sendQueue is how many messages wait for a slow client before it is dropped.
	sendQueue = 64
	// Selkies takes three takeovers of a live holder within five seconds for two pages
	// that fight, and refuses the newcomer (_EVICTION_STORM_LIMIT, _EVICTION_STORM_WINDOW_S).
	stormLimit  = 3
	stormWindow = 5 * time.Second
)

// The close codes of Selkies 2, with which a client stays away (signaling.js,
// _onServerClose).
const (
	CloseRejected   = 4000
	CloseSuperseded = 4001 // also: a wrong token
)

// The reasons as Selkies words them.
const (
	reasonProtocol     = "invalid protocol"
	reasonStorm        = "Session takeover loop detected; another page holds this session."
	reasonSuperseded   = "Superseded by a new controller connection."
	reasonNoController = "No controller detected. Viewer clients require an existing controller client."
	reasonServerGone   = "Server disconnected, closing connection."
	reasonToken        = "Invalid authentication token"
)

// Opener makes the app's end for a client that has called. It may take time; ctx ends when
// the client leaves. send never blocks; it fails once the client is gone.
type Opener func(ctx context.Context, h Hello, send func(signaling.Message) error) (signaling.Session, error)

// Server takes WebSockets of browsers.
type Server struct {
	open  Opener
	token string // "" lets everybody in
	log   *slog.Logger

	mu        sync.Mutex // guards all below
	app       string     // the name under which the app is registered, "" while it is not
	clients   map[*client]struct{}
	takeovers []time.Time

	active   sync.WaitGroup // sockets
	upgrader websocket.Upgrader
}

// NewServer makes a server at which the app is not registered yet. token, unless empty, is
// what clients must say in HELLO.
func NewServer(open Opener, token string, log *slog.Logger) *Server {
	return &Server{
		open: open, token: token, log: log, clients: map[*client]struct{}{},
		// The router has looked at the origin.
		upgrader: websocket.Upgrader{HandshakeTimeout: writeTimeout, CheckOrigin: func(*http.Request) bool { return true }},
	}
}

// Join registers the app: from now on SESSION server finds it.
func (s *Server) Join() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app = "server-" + string(uuid.NewUUID())
}

func (s *Server) appName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app
}

// Clients counts those registered, by type.
func (s *Server) Clients() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[string]int{Controller: 0, Viewer: 0}
	for c := range s.clients {
		count[c.hello.Type]++
	}
	return count
}

// register lets a client in, in the place of a controller that was there, or says with
// which code and reason it is refused.
func (s *Server) register(c *client) (code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && c.hello.Token != s.token {
		return CloseSuperseded, reasonToken
	}
	holder := s.controller()
	switch {
	case c.hello.Type == Viewer && holder == nil:
		return CloseRejected, reasonNoController
	case len(s.clients) >= mostClients:
		return websocket.CloseTryAgainLater, "too many clients"
	case c.hello.Type == Controller && holder != nil:
		now := time.Now()
		recent := s.takeovers[:0]
		for _, at := range s.takeovers {
			if now.Sub(at) < stormWindow {
				recent = append(recent, at)
			}
		}
		s.takeovers = recent
		if len(recent) >= stormLimit {
			return CloseRejected, reasonStorm
		}
		s.takeovers = append(s.takeovers, now)
		delete(s.clients, holder)
		holder.close(CloseSuperseded, reasonSuperseded)
	}
	s.clients[c] = struct{}{}
	return 0, ""
}

// controller must be called with mu held.
func (s *Server) controller() *client {
	for c := range s.clients {
		if c.hello.Type == Controller {
			return c
		}
	}
	return nil
}

// unregister forgets a client. A controller that leaves by itself takes the app's
// connection with it: all clients are closed and the app registers anew.
func (s *Server) unregister(c *client) {
	s.mu.Lock()
	_, mine := s.clients[c]
	delete(s.clients, c)
	var others []*client
	if mine && c.hello.Type == Controller && c.called() {
		for other := range s.clients {
			others = append(others, other)
		}
		s.app = "server-" + string(uuid.NewUUID())
	}
	s.mu.Unlock()
	for _, other := range others {
		other.close(CloseRejected, reasonServerGone)
	}
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

// ServeHTTP upgrades a request and stays until the client has gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Done()
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	conn.SetReadLimit(signaling.LargestMessage)
	ctx, cancel := context.WithCancel(r.Context())
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()

	kind, raw, err := conn.ReadMessage()
	if err != nil {
		return
	}
	hello, err := ParseHello(string(raw))
	if err != nil || kind != websocket.TextMessage {
		signaling.CloseWith(conn, websocket.CloseProtocolError, reasonProtocol)
		return
	}
	c := &client{server: s, conn: conn, hello: hello, name: "client-" + string(uuid.NewUUID()), send: make(chan string, sendQueue), drop: cancel}
	if code, reason := s.register(c); code != 0 {
		s.log.Info("refused a client", "type", hello.Type, "code", code, "reason", reason)
		signaling.CloseWith(conn, code, reason)
		return
	}
	defer s.unregister(c)
	s.log.Info("registered client", "client", c.name, "type", hello.Type)
	defer s.log.Info("client has left", "client", c.name)
	helpers.Go(func() { c.write(ctx) })
	c.run(ctx)
}
