package activator

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/hold"
)

// sockets are the open WebSockets, so that a shutdown can tell them and wait for the
// last one.
type sockets struct {
	mu   sync.Mutex
	open int
	// conns are those that are held or relayed; the others are being refused.
	conns map[*socket]struct{}
	// viewing counts the only viewers that talk to their desktops.
	viewing map[types.NamespacedName]int
	// unheld says that none may be held any longer, closed that no more are accepted,
	// cut that all must end.
	unheld, closed, cut bool
	// ended is closed when the last one has gone after close.
	ended chan struct{}
}

func newSockets() *sockets {
	return &sockets{conns: map[*socket]struct{}{}, viewing: map[types.NamespacedName]int{}, ended: make(chan struct{})}
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
func (s *sockets) add(h *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[h] = struct{}{}
	if s.cut {
		h.conn.End(hold.ShuttingDown)
	} else if s.unheld {
		h.conn.StopHolding()
	}
}

func (s *sockets) drop(h *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, h)
}

// endViewer ends those of a session's only viewer that were opened before that moment.
func (s *sockets) endViewer(key types.NamespacedName, before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.conns {
		if h.only && h.key == key && h.opened.Before(before) {
			h.conn.End(hold.UsedElsewhere)
		}
	}
}

// views says that a session's only viewer talks to its desktop, or does not any more.
func (s *sockets) views(h *socket, does bool) {
	if !h.only || h.views == does {
		return
	}
	h.views = does
	s.mu.Lock()
	defer s.mu.Unlock()
	if does {
		s.viewing[h.key]++
	} else if s.viewing[h.key]--; s.viewing[h.key] == 0 {
		delete(s.viewing, h.key)
	}
}

// viewed says that a session's desktop has its only viewer here.
func (s *sockets) viewed(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewing[key] > 0
}

// stopHolding ends those that are held.
func (s *sockets) stopHolding() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheld = true
	for h := range s.conns {
		h.conn.StopHolding()
	}
}

// end ends all.
func (s *sockets) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for h := range s.conns {
		h.conn.End(hold.ShuttingDown)
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
