// Package numbered is a WebSocket of no protocol that the product knows: from the moment
// it is open the server sends binary messages that are numbered from 1 without a gap, and
// gives back each message that it gets. It stands for noVNC, KasmVNC and the like, whose
// bytes nobody on the way may look into, and lets a test see that none was lost, doubled
// or moved.
package numbered

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Path is the usual one of noVNC's proxy.
const Path = "/websockify"

const (
	// every is the pause between two numbers.
	every        = 10 * time.Millisecond
	writeTimeout = 10 * time.Second
	largest      = 1 << 20
	// padding makes a message as long as a small screen update.
	padding = 200
)

// The first byte of a message says what it is.
const (
	kindNumber = 'n' // eight bytes, big-endian, and padding
	kindEcho   = 'e' // the message that came
)

// Parse reads a message of the server: a number, or what it gives back.
func Parse(message []byte) (number uint64, echo []byte, err error) {
	switch {
	case len(message) == 1+8+padding && message[0] == kindNumber:
		return binary.BigEndian.Uint64(message[1:]), nil, nil
	case len(message) > 0 && message[0] == kindEcho:
		return 0, message[1:], nil
	}
	return 0, nil, fmt.Errorf("a message of %d bytes that begins with % x is neither a number nor an echo", len(message), message[:min(len(message), 8)])
}

// Server takes WebSockets.
type Server struct {
	mu    sync.Mutex // guards conns
	conns map[*websocket.Conn]struct{}

	active   sync.WaitGroup // sockets
	upgrader websocket.Upgrader
}

// NewServer makes a server.
func NewServer() *Server {
	return &Server{
		conns:    map[*websocket.Conn]struct{}{},
		upgrader: websocket.Upgrader{HandshakeTimeout: writeTimeout, Subprotocols: []string{"binary"}, CheckOrigin: func(*http.Request) bool { return true }},
	}
}

// Clients counts those connected.
func (s *Server) Clients() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]int{"client": len(s.conns)}
}

// CloseAll tells every client that the server goes away.
func (s *Server) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
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
	conn.SetReadLimit(largest)
	s.mu.Lock()
	s.conns[conn] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	ctx, cancel := context.WithCancel(r.Context())
	var counting sync.WaitGroup
	defer counting.Wait()
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()
	var writing sync.Mutex
	send := func(message []byte) error {
		writing.Lock()
		defer writing.Unlock()
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		return conn.WriteMessage(websocket.BinaryMessage, message)
	}
	counting.Go(func() {
		defer cancel()
		count(ctx, send)
	})
	for {
		_, raw, err := conn.ReadMessage()
		if err != nil || send(append([]byte{kindEcho}, raw...)) != nil {
			return
		}
	}
}

// count sends the numbers.
func count(ctx context.Context, send func([]byte) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	message := make([]byte, 1+8+padding)
	message[0] = kindNumber
	for number := uint64(1); ; number++ {
		binary.BigEndian.PutUint64(message[1:], number)
		if send(message) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
