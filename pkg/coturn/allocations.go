package coturn

import "sync"

// allocations are those that are open, by the number of their client's session. There
// are never more of them than relay ports.
type allocations struct {
	mu      sync.Mutex // guards both below
	live    map[string]struct{}
	changed chan struct{} // closed and renewed when one ends
}

func newAllocations() *allocations {
	return &allocations{live: map[string]struct{}{}, changed: make(chan struct{})}
}

// open adds one, and reports whether it is new: a session may have an allocation for IPv4
// and one for IPv6, which turnserver logs together.
func (a *allocations) open(session string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, known := a.live[session]
	a.live[session] = struct{}{}
	return !known
}

func (a *allocations) close(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, session)
	close(a.changed)
	a.changed = make(chan struct{})
}

// count is how many are open; the channel is closed when one of them ends.
func (a *allocations) count() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.live), a.changed
}
