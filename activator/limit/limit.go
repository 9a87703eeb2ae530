// Package limit counts what visitors take: places, a session's and the replica's, and how
// often something is done. It says which limit is reached.
package limit

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
)

// Bound is a number of places, and the refusal, with that number, beyond it.
type Bound struct {
	Places int
	Beyond *closing.Refusal
}

// Places bounds what visitors have open at a time.
type Places struct {
	replica, session Bound

	mu    sync.Mutex
	total int
	taken map[types.NamespacedName]int
}

// NewPlaces makes a limiter of a replica's places and of each session's; a replica's bound
// without a refusal is none.
func NewPlaces(replica, session Bound) *Places {
	return &Places{replica: replica, session: session, taken: map[types.NamespacedName]int{}}
}

// Acquire takes a place, which release gives back. An error is a *closing.Ending and
// says which limit is reached.
func (p *Places) Acquire(key types.NamespacedName) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replica.Beyond != nil && p.total >= p.replica.Places {
		return nil, p.replica.Beyond.Ending(p.replica.Places)
	}
	if p.taken[key] >= p.session.Places {
		return nil, p.session.Beyond.Ending(p.session.Places)
	}
	p.total++
	p.taken[key]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total--
		if p.taken[key]--; p.taken[key] == 0 {
			delete(p.taken, key)
		}
	}), nil
}
