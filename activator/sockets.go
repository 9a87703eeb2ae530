package activator

import (
	"sync"

	"github.com/org/vdi-operator/activator/hold"
)

// sockets are the open WebSockets, so that a shutdown can tell them and wait for the
// last one.
type sockets struct {
	mu   sync.Mutex
	open int
	// conns are those that are held or relayed; the others are being refused.
	conns map[*hold.Conn]struct{}
	// unheld says that none may be held any longer, closed that no more are accepted,
	// cut that all must end.
	unheld, closed, cut bool
	// ended is closed when the last one has gone after close.
	ended chan struct{}
}

func newSockets() *sockets {
	return &sockets{conns: map[*hold.Conn]struct{}{}, ended: make(chan struct{})}
}

// enter counts one in; false when no more are accepted.
func (s *sockets) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open++
	return true
}

func (s *sockets) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.settle()
}

// add tells a connection that has entered of every stop, those before included.
func (s *sockets) add(c *hold.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	if s.cut {
		c.End(hold.ShuttingDown)
	} else if s.unheld {
		c.StopHolding()
	}
}

func (s *sockets) drop(c *hold.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// stopHolding ends those that are held.
func (s *sockets) stopHolding() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheld = true
	for c := range s.conns {
		c.StopHolding()
	}
}

// end ends all.
func (s *sockets) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for c := range s.conns {
		c.End(hold.ShuttingDown)
	}
}

// close accepts no more; what it returns is closed when the last one has left.
func (s *sockets) close() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.settle()
	}
	return s.ended
}

// settle tells who waits; the caller holds the lock.
func (s *sockets) settle() {
	if s.closed && s.open == 0 {
		close(s.ended)
	}
}
