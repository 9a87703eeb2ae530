package desktops

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/token"
)

// desktop is what is known of one pod.
type desktop struct {
	uid types.UID
	// dozes says that frozen is there, for who only counts.
	dozes atomic.Bool

	// mu is held by who freezes or thaws, and guards what follows.
	mu sync.Mutex
	// pod and session are as the API server shows them; empty before it has.
	pod, session types.NamespacedName
	// container is the desktop's, by its id; empty while it does not run.
	container string
	// ends says that the pod is being deleted, or has ended: it has to get its signals.
	ends bool
	// looked says that a freeze from before the program's start was looked for.
	looked bool
	// last is the order that was obeyed last, or what took its place.
	last done
	// frozen is the desktop's container while it is frozen, also while a pulse thaws it for a
	// moment; nil otherwise.
	frozen *cgroup.Container
	// turn is another number after each freeze and thaw, but for the thaw of a pulse.
	turn uint64
	// pulse is when it is thawed for a moment next.
	pulse time.Time

	// at is guarded by its own lock: it ends the freeze or the paging out that goes on, and
	// says how many wait to thaw.
	at struct {
		sync.Mutex
		freezing, paging context.CancelCauseFunc
		waiting          int
	}
}

// done is an order that was obeyed.
type done struct {
	issued time.Time
	action token.Action
}

// overtakes says whether an order counts after the one that was obeyed last. Of two that were
// given in the same millisecond the thaw counts.
func (o done) overtakes(last done) bool {
	switch {
	case o.issued.Equal(last.issued):
		return o.action == last.action || o.action == token.ActionThaw
	default:
		return o.issued.After(last.issued)
	}
}

// lockToThaw locks mu, and ends the freeze or the paging out that goes on, so that a thaw need
// not wait for it.
func (d *desktop) lockToThaw() {
	d.at.Lock()
	d.at.waiting++
	for _, end := range []context.CancelCauseFunc{d.at.freezing, d.at.paging} {
		if end != nil {
			end(errThawed)
		}
	}
	d.at.Unlock()
	d.mu.Lock()
	d.at.Lock()
	d.at.waiting--
	d.at.Unlock()
}

// freezing is the context of a freeze.
func (d *desktop) freezing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	ctx, expire := context.WithTimeout(ctx, freezeWithin)
	d.at.Lock()
	defer d.at.Unlock()
	d.at.freezing = end
	if d.at.waiting > 0 {
		end(errThawed)
	}
	return ctx, func() {
		d.at.Lock()
		defer d.at.Unlock()
		d.at.freezing = nil
		expire()
		end(nil)
	}
}

// setFrozen is called with mu held.
func (d *desktop) setFrozen(c *cgroup.Container) {
	d.frozen = c
	d.dozes.Store(c != nil)
	d.turn++
}
