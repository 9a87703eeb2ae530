// Package limit counts what visitors take: held connections, a session's and the
// replica's, and how often something is done. It says which limit is reached.
package limit

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
)

// Held bounds the connections that wait for a desktop.
type Held struct {
	perReplica, perSession int

	mu      sync.Mutex
	total   int
	session map[types.NamespacedName]int
}

// NewHeld makes a limiter; both limits are numbers of connections.
func NewHeld(perReplica, perSession int) *Held {
	return &Held{perReplica: perReplica, perSession: perSession, session: map[types.NamespacedName]int{}}
}

// Acquire takes a place, which release gives back. An error is a *closing.Ending and
// says which limit is reached.
func (h *Held) Acquire(key types.NamespacedName) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.total >= h.perReplica {
		return nil, closing.ReplicaLimit.Ending(h.perReplica)
	}
	if h.session[key] >= h.perSession {
		return nil, closing.SessionLimit.Ending(h.perSession)
	}
	h.total++
	h.session[key]++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.total--
		if h.session[key]--; h.session[key] == 0 {
			delete(h.session, key)
		}
	}), nil
}
