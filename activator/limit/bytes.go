package limit

import "sync"

// Bytes bounds what is kept, of each and of all together.
type Bytes[K comparable] struct {
	all, each Bound
	free      int
	gauge     interface{ Add(bytes float64) }

	mu    sync.Mutex
	total int
	taken map[K]int
}

// NewBytes makes a limiter of as many bytes as the bounds have places. The first bytes of
// each connection, as many as are free, are not counted: nobody else's can be in their way.
func NewBytes[K comparable](all, each Bound, free int, gauge interface{ Add(bytes float64) }) *Bytes[K] {
	return &Bytes[K]{all: all, each: each, free: free, gauge: gauge, taken: map[K]int{}}
}

// Of is what one more connection of them keeps: nothing yet.
func (b *Bytes[K]) Of(key K) *Share[K] { return &Share[K]{bytes: b, key: key} }

// Share is what one connection keeps.
type Share[K comparable] struct {
	bytes *Bytes[K]
	key   K
	kept  int
}

// Take takes n bytes more. An error is a *closing.Ending and says which limit is reached.
func (s *Share[K]) Take(n int) error {
	b := s.bytes
	b.mu.Lock()
	defer b.mu.Unlock()
	counted := max(0, s.kept+n-b.free) - s.counted()
	// The last byte that fits is one before the bound.
	if err := b.all.check(b.total + counted - 1); counted > 0 && err != nil {
		return err
	}
	if err := b.each.check(b.taken[s.key] + counted - 1); counted > 0 && err != nil {
		return err
	}
	b.add(s.key, counted)
	s.kept += n
	return nil
}

// Return gives n bytes back, or what there is.
func (s *Share[K]) Return(n int) {
	s.bytes.mu.Lock()
	defer s.bytes.mu.Unlock()
	before := s.counted()
	s.kept = max(0, s.kept-n)
	s.bytes.add(s.key, s.counted()-before)
}

// ReturnAll gives all back.
func (s *Share[K]) ReturnAll() {
	s.bytes.mu.Lock()
	defer s.bytes.mu.Unlock()
	s.bytes.add(s.key, -s.counted())
	s.kept = 0
}

func (s *Share[K]) counted() int { return max(0, s.kept-s.bytes.free) }

// add is called with the lock held.
func (b *Bytes[K]) add(key K, n int) {
	if n == 0 {
		return
	}
	b.total += n
	if b.taken[key] += n; b.taken[key] == 0 {
		delete(b.taken, key)
	}
	b.gauge.Add(float64(n))
}
