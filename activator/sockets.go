package activator

import "sync"

// sockets counts open WebSockets, so that a shutdown can wait for the last one.
type sockets struct {
	mu     sync.Mutex
	open   int
	closed bool
	// ended is closed when the last one has gone after close.
	ended chan struct{}
}

func newSockets() *sockets { return &sockets{ended: make(chan struct{})} }

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
