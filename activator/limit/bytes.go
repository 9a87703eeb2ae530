package limit

import (
	"golang.org/x/sync/semaphore"
)

// Bytes bounds what is kept of everybody together. A nil one bounds nothing.
type Bytes struct {
	bound Bound
	free  *semaphore.Weighted
	gauge interface{ Add(bytes float64) }
}

// NewBytes makes a limiter of as many bytes as the bound has places.
func NewBytes(b Bound, gauge interface{ Add(bytes float64) }) *Bytes {
	return &Bytes{bound: b, free: semaphore.NewWeighted(int64(b.Places)), gauge: gauge}
}

// Take takes n bytes, which GiveBack gives back. An error is a *closing.Ending.
func (b *Bytes) Take(n int) error {
	if b == nil {
		return nil
	}
	if !b.free.TryAcquire(int64(n)) {
		return b.bound.Beyond.Ending(b.bound.Places)
	}
	b.gauge.Add(float64(n))
	return nil
}

// GiveBack gives n bytes back.
func (b *Bytes) GiveBack(n int) {
	if b == nil {
		return
	}
	b.free.Release(int64(n))
	b.gauge.Add(-float64(n))
}
