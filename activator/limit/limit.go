// Package limit counts what visitors take: places, of one and of all, and how often
// something is done. It says which limit is reached.
package limit

import (
	"sync"

	"github.com/org/vdi-operator/activator/closing"
)

// Bound is a number of places, and the refusal, with that number, beyond it.
type Bound struct {
	Places int
	Beyond *closing.Refusal
}

func (b Bound) check(taken int) error {
	if b.Beyond == nil || taken < b.Places {
		return nil
	}
	return b.Beyond.Ending(b.Places)
}

// Gauge shows how many places are taken.
type Gauge interface {
	Inc()
	Dec()
}

// Places bounds what is open at a time.
type Places[K comparable] struct {
	all, each Bound
	gauge     Gauge

	mu    sync.Mutex
	total int
	taken map[K]int
}

// NewPlaces makes a limiter of the places of all and of each; a bound without a refusal is
// none.
func NewPlaces[K comparable](all, each Bound, g Gauge) *Places[K] {
	return &Places[K]{all: all, each: each, gauge: g, taken: map[K]int{}}
}

// Acquire takes a place, which release gives back once. The zero key is many people's, and
// is bounded by the places of all only. An error is a *closing.Ending and says which limit
// is reached.
func (p *Places[K]) Acquire(key K) (release func(), err error) {
	var many K
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.all.check(p.total); err != nil {
		return nil, err
	}
	if err := p.each.check(p.taken[key]); key != many && err != nil {
		return nil, err
	}
	p.total++
	p.taken[key]++
	p.gauge.Inc()
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gauge.Dec()
		p.total--
		if p.taken[key]--; p.taken[key] == 0 {
			delete(p.taken, key)
		}
	}), nil
}
