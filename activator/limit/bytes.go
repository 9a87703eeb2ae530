package limit

import "sync"

// Bytes bounds what is kept, of each and of all together.
type Bytes[K comparable] struct {
	all, each Bound
	gauge     interface{ Add(bytes float64) }

	mu    sync.Mutex
	total int
	taken map[K]int
}

// NewBytes makes a limiter of as many bytes as the bounds have places.
func NewBytes[K comparable](all, each Bound, gauge interface{ Add(bytes float64) }) *Bytes[K] {
	return &Bytes[K]{all: all, each: each, gauge: gauge, taken: map[K]int{}}
}

// Of is what is kept of one of them.
func (b *Bytes[K]) Of(key K) Share[K] { return Share[K]{b, key} }

// Share is what is kept of one, for one of its connections or several.
type Share[K comparable] struct {
	bytes *Bytes[K]
	key   K
}

// Take takes n bytes, which GiveBack gives back. An error is a *closing.Ending and says
// which limit is reached.
func (s Share[K]) Take(n int) error {
	b := s.bytes
	b.mu.Lock()
	defer b.mu.Unlock()
	// The last byte that fits is one before the bound.
	if err := b.all.check(b.total + n - 1); err != nil {
		return err
	}
	if err := b.each.check(b.taken[s.key] + n - 1); err != nil {
		return err
	}
	b.add(s.key, n)
	return nil
}

// GiveBack gives n bytes back.
func (s Share[K]) GiveBack(n int) {
	s.bytes.mu.Lock()
	defer s.bytes.mu.Unlock()
	s.bytes.add(s.key, -n)
}

// add is called with the lock held.
func (b *Bytes[K]) add(key K, n int) {
	b.total += n
	if b.taken[key] += n; b.taken[key] == 0 {
		delete(b.taken, key)
	}
	b.gauge.Add(float64(n))
}
