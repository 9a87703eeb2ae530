package signaling

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// LargestMessage bounds one signaling message.
	LargestMessage = 64 << 10
	writeTimeout   = 10 * time.Second
	// pingEvery and pongWithin are the defaults of the WebSocket library that Selkies
	// uses: a browser that has silently gone is noticed after both.
	pingEvery  = 20 * time.Second
	pongWithin = 20 * time.Second
	// mostPeers bounds the sockets; only two ids have a use.
	mostPeers = 16
	// sendQueue is how many messages wait for a slow browser before it is dropped. An
	// offer and its candidates are far fewer.
	sendQueue = 64
)

// Session is the app's end of the conversation with one browser peer.
type Session interface {
	// Handle takes a message of the browser.
	Handle(Message) error
	// Done closes when the app's end has failed or ended.
	Done() <-chan struct{}
	// Close ends it.
	Close()
}

// Opener makes the app's end for browser peer "1" or "3". It may take time; ctx ends when
// the browser leaves. send never blocks; it fails once the browser is gone.
type Opener func(ctx context.Context, h Hello, send func(Message) error) (Session, error)

// Loop says when the server's event loop, which may be busy, gets to something. Each of
// its methods also returns when ctx ends.
type Loop interface {
	// Turn returns when a message can be passed on.
	Turn(ctx context.Context)
	// Step returns when what has begun can go on.
	Step(ctx context.Context)
	// Session returns when the app has learnt that its browser peer is there.
	Session(ctx context.Context, uid string)
	// Offered is told when the app has made its offer to that peer, or has failed to.
	Offered(uid string)
}

// freeLoop is never busy.
type freeLoop struct{}

func (freeLoop) Turn(context.Context)            {}
func (freeLoop) Step(context.Context)            {}
func (freeLoop) Session(context.Context, string) {}
func (freeLoop) Offered(string)                  {}

// Server takes WebSockets of browsers.
type Server struct {
	// Open makes the app's end.
	Open Opener
	// Loop is what everything waits for before it is done.
	Loop Loop
	Log  *slog.Logger

	mu    sync.Mutex // guards peers
	peers map[string]*websocket.Conn

	active   sync.WaitGroup // sockets
	upgrader websocket.Upgrader
}

// NewServer makes a server without peers.
func NewServer(open Opener, log *slog.Logger) *Server {
	return &Server{
		Open: open, Log: log, Loop: freeLoop{},
		peers: map[string]*websocket.Conn{},
		// Selkies 1.6 takes sockets from pages of any origin.
		upgrader: websocket.Upgrader{HandshakeTimeout: writeTimeout, CheckOrigin: func(*http.Request) bool { return true }},
	}
}

// Present reports whether a browser peer is registered.
func (s *Server) Present(uid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[uid] != nil
}

// register takes an id, unless it is the app's own or in use.
func (s *Server) register(uid string, conn *websocket.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uid == AppVideo || uid == AppAudio || s.peers[uid] != nil || len(s.peers) >= mostPeers {
		return false
	}
	s.peers[uid] = conn
	return true
}

func (s *Server) unregister(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, uid)
}

// CloseAll tells every browser that the server goes away. New ones are not refused: the
// caller has stopped listening.
func (s *Server) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.peers {
		CloseWith(conn, websocket.CloseGoingAway, "")
	}
}

// Wait returns when no socket is left. Call it after CloseAll and after the end of the
// requests' context.
func (s *Server) Wait() { s.active.Wait() }

// ServeHTTP upgrades a request and stays until the peer has gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Done()
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	conn.SetReadLimit(LargestMessage)
	stay := func(string) error { return conn.SetReadDeadline(time.Now().Add(pingEvery + pongWithin)) }
	conn.SetPongHandler(stay)
	_ = stay("")

	ctx, cancel := context.WithCancel(r.Context())
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()
	helpers.Go(func() { keepAlive(ctx, conn) })

	kind, raw, err := conn.ReadMessage()
	if err != nil {
		return
	}
	s.Loop.Step(ctx)
	hello, err := ParseHello(string(raw))
	if err != nil || kind != websocket.TextMessage {
		CloseWith(conn, websocket.CloseProtocolError, reasonNotHello)
		return
	}
	if !s.register(hello.UID, conn) {
		s.Log.Info("refused a peer whose id is taken", "peer", hello.UID)
		CloseWith(conn, websocket.CloseProtocolError, reasonBadPeer)
		return
	}
	defer s.unregister(hello.UID)
	s.Log.Info("registered peer", "peer", hello.UID, "resolution", hello.Resolution, "scale", hello.Scale)
	defer s.Log.Info("disconnected from peer", "peer", hello.UID)
	p := &peer{server: s, conn: conn, hello: hello, send: make(chan Message, sendQueue), drop: cancel}
	helpers.Go(func() { p.write(ctx) })
	p.run(ctx)
}

// keepAlive pings until ctx ends.
func keepAlive(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// CloseWith sends a close frame.
func CloseWith(conn *websocket.Conn, code int, reason string) {
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

var errPeerGone = errors.New("the browser has gone or does not read")
