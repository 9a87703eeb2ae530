package wake

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Visit is one open connection. Its methods may be called from any goroutine.
type Visit struct {
	tracker *Tracker
	session types.NamespacedName
	slept   time.Time
	state   *visited
	served  sync.Once
	left    sync.Once
	// watches is guarded by the tracker's lock.
	watches bool
	// goes takes the visitor from those who are connected; it may be nil. Its caller holds the lock.
	goes func()
}

// Look is Enter for somebody who may neither wake the desktop nor keep it awake: of the visit
// nothing is written.
func (t *Tracker) Look(s *v1alpha1.VDISession) *Visit {
	return &Visit{tracker: t, session: client.ObjectKeyFromObject(s), slept: lifecycle.Slept(s)}
}

// looks says that it is such a visit.
func (v *Visit) looks() bool { return v.state == nil }

// Slept is the last sleep that the visitor knew of when coming; see probe.Visit.
func (v *Visit) Slept() time.Time { return v.slept }

// Mark stamps a stage of the cold start under way, if there is one.
func (v *Visit) Mark(stage metrics.Stage) {
	if !v.looks() {
		v.state.timeline.Mark(stage, time.Now())
	}
}

// Served says that the connection no longer waits: it does not wake the desktop should a
// clock put it to sleep now.
func (v *Visit) Served() {
	if v.looks() {
		return
	}
	v.served.Do(func() {
		v.tracker.mu.Lock()
		v.state.waiting--
		v.tracker.mu.Unlock()
	})
}

// Watches says that a person's input is seen on the connection: from now on silence is known
// and not assumed.
func (v *Visit) Watches() {
	if v.looks() {
		return
	}
	v.tracker.mu.Lock()
	defer v.tracker.mu.Unlock()
	if !v.watches {
		v.watches = true
		v.state.watching++
		v.state.nudge()
	}
}

// Leave ends the visit.
func (v *Visit) Leave() {
	v.Served()
	v.left.Do(func() {
		v.tracker.mu.Lock()
		defer v.tracker.mu.Unlock()
		if v.goes != nil {
			v.goes()
		}
		if v.looks() {
			return
		}
		if v.watches {
			v.state.watching--
		}
		if v.state.connections--; v.state.connections == 0 {
			v.state.left = time.Now()
			v.state.nudge()
		}
	})
}
