// Package confirm answers the operator, which asks by a session's condition, whether a
// desktop that Kubernetes takes for ready accepts connections. Where somebody visits, the
// answer comes before the question; a desktop that is always on may have no visitors for long.
//
// An attempt is no visit: it wakes nothing and keeps nothing awake.
package confirm

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Confirmer has the attempts of a replica.
type Confirmer struct {
	dir     *directory.Directory
	prober  *probe.Prober
	tracker *wake.Tracker

	mu sync.Mutex
	// attempts are those under way, by session; nil after Stop.
	attempts map[types.NamespacedName]*attempt
}

// attempt is one under way, or the pause before the next; its cancel is guarded by the
// Confirmer's lock.
type attempt struct{ cancel func() }

// New makes a Confirmer that observes the directory.
func New(d *directory.Directory, p *probe.Prober, t *wake.Tracker) *Confirmer {
	c := &Confirmer{dir: d, prober: p, tracker: t, attempts: map[types.NamespacedName]*attempt{}}
	d.Observe(c.see)
	return c
}

// see takes a session as it is now. Of one that is gone the next attempt finds out.
func (c *Confirmer) see(_, s *v1alpha1.VDISession) {
	if s == nil {
		return
	}
	key := client.ObjectKeyFromObject(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.attempts[key]
	switch asked := lifecycle.NotReached(s); {
	case c.attempts == nil, asked == (current != nil):
	case current != nil:
		current.cancel()
		delete(c.attempts, key)
	default:
		visit := probe.VisitOf(s, lifecycle.Slept(s))
		a := &attempt{}
		c.attempts[key] = a
		a.cancel = c.prober.AwaitAccept(visit, func(err error) {
			if err == nil {
				c.tracker.Reached(key)
			}
			c.again(key, a)
		})
	}
}

// again tries once more after a pause, unless the question is withdrawn by then: what was
// reported may not have been written, or may be ignored where clocks differ.
func (c *Confirmer) again(key types.NamespacedName, a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts[key] != a {
		return
	}
	later := time.AfterFunc(2*wake.ReportPause, func() {
		c.mu.Lock()
		if c.attempts[key] == a {
			delete(c.attempts, key)
		}
		c.mu.Unlock()
		if view, ok := c.dir.View(key); ok {
			c.see(nil, view.Session)
		}
	})
	a.cancel = func() { later.Stop() }
}

// Stop ends all attempts.
func (c *Confirmer) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attempts {
		a.cancel()
	}
	c.attempts = nil
}
