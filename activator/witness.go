package activator

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

// witness answers the operator, which asks by a session's condition whether a desktop that
// Kubernetes takes for ready can be reached. Where somebody visits the answer is there
// before the question; a desktop that is always on has no visitors for long.
//
// To look is no visit: it wakes nothing and keeps nothing awake.
type witness struct {
	dir     *directory.Directory
	prober  *probe.Prober
	tracker *wake.Tracker

	mu sync.Mutex
	// looks are the looks under way, by session; nil once there are to be none.
	looks map[types.NamespacedName]*look
}

// look is one under way, or the pause before the next; its cancel is guarded by the
// witness's lock.
type look struct{ cancel func() }

func newWitness(d *directory.Directory, r *probe.Prober, k *wake.Tracker) *witness {
	return &witness{dir: d, prober: r, tracker: k, looks: map[types.NamespacedName]*look{}}
}

// see takes in a session as it is now.
func (w *witness) see(_, s *v1alpha1.VDISession) {
	key := client.ObjectKeyFromObject(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	current := w.looks[key]
	switch asked := lifecycle.NotReached(s); {
	case w.looks == nil, asked == (current != nil):
	case current != nil:
		current.cancel()
		delete(w.looks, key)
	default:
		visit := probe.Visit{Session: key, UID: s.UID, Slept: lifecycle.Slept(s)}
		l := &look{}
		w.looks[key] = l
		l.cancel = w.prober.AwaitAccept(visit, func(err error) {
			if err == nil {
				w.tracker.Reached(key)
			}
			w.again(key, l)
		})
	}
}

// again looks once more in a while, unless the question is withdrawn by then: what was
// reported may not have been written, or count for nothing where clocks differ.
func (w *witness) again(key types.NamespacedName, l *look) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks[key] != l {
		return
	}
	later := time.AfterFunc(2*wake.ReportPause, func() {
		w.mu.Lock()
		if w.looks[key] == l {
			delete(w.looks, key)
		}
		w.mu.Unlock()
		if view, ok := w.dir.View(key); ok {
			w.see(nil, view.Session)
		}
	})
	l.cancel = func() { later.Stop() }
}

// stop ends all looks.
func (w *witness) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.looks {
		l.cancel()
	}
	w.looks = nil
}
