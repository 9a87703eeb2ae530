// Package desktops freezes and thaws the desktops of one node: by order, and by itself wherever
// nobody may be left to give one.
//
// It promises that only the desktop's own container is frozen, of a pod that the API server
// says is on this node; that orders of one pod are obeyed in the order in which they were given;
// and that nothing stays frozen for ever: a desktop whose pod ends, whose session does not say
// that it dozes, or whose program ends, is thawed. It knows nothing of how orders come.
package desktops

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/cgroup"
)

const (
	// freezeWithin bounds a freeze: a process that waits for a disk stops when it has its answer.
	freezeWithin = 5 * time.Second
	// thawWithin bounds a thaw, which takes a fraction of a millisecond.
	thawWithin = 2 * time.Second
	// maxPagingOut is how many desktops are paged out at once: a swap is one disk.
	maxPagingOut = 2
	// maxAsking is how many sessions are asked for at once.
	maxAsking = 8
	// askAgain is the pause before the API server is asked again that did not answer, and
	// askWithin bounds one question.
	askAgain, askWithin = 2 * time.Second, 5 * time.Second
)

// Says is what a session says of a pod of its own.
type Says string

// What a session says.
const (
	// Dozes: the desktop in this pod dozes, or is about to.
	Dozes Says = "dozes"
	// Runs: the desktop has no reason to be frozen.
	Runs Says = "runs"
	// NotOurs: another installation serves the session, and its own program cares for the pod.
	NotOurs Says = "not ours"
)

// Sessions says what sessions say, as the API server has it now.
type Sessions interface {
	Ask(ctx context.Context, session types.NamespacedName, pod types.UID) (Says, error)
}

// Options are what Desktops needs to know; all are required.
type Options struct {
	Root     *cgroup.Root
	Sessions Sessions
	// PageOut gives the memory of frozen desktops to the node's swap.
	PageOut bool
	// PulseEvery is how often a frozen desktop runs for PulseFor, in which it takes the
	// connections that probes have opened meanwhile.
	PulseEvery, PulseFor time.Duration
	Metrics              *metrics.Node
	Log                  *slog.Logger
	Now                  func() time.Time
}

// Desktops are those of one node.
type Desktops struct {
	Options
	// began is when the program started: an order to freeze from before it may be overtaken by
	// one that only its predecessor knew.
	began  time.Time
	paging chan struct{}
	asking chan struct{}

	// alive ends what goes on in the background.
	alive context.Context
	end   context.CancelFunc
	work  sync.WaitGroup

	mu sync.Mutex
	// pods and ended are guarded by mu. ended says that nothing may be frozen any more.
	pods  map[types.UID]*desktop
	ended bool
}

// New makes it; Close ends it.
func New(o Options) *Desktops {
	alive, end := context.WithCancel(context.Background())
	return &Desktops{Options: o, began: o.Now(), paging: make(chan struct{}, maxPagingOut), asking: make(chan struct{}, maxAsking),
		alive: alive, end: end, pods: map[types.UID]*desktop{}}
}

// Frozen is how many desktops are frozen.
func (ds *Desktops) Frozen() (n int) {
	for _, d := range ds.all() {
		if d.dozes.Load() {
			n++
		}
	}
	return n
}

// Close thaws every desktop, for good, and returns when nothing goes on any more.
func (ds *Desktops) Close() {
	ds.mu.Lock()
	ds.ended = true
	ds.mu.Unlock()
	for _, d := range ds.all() {
		d.lockToThaw()
		if d.frozen != nil || !d.looked {
			ds.thawOwn(d, metrics.ThawProgramEnds, "the program on the node ends; the desktop is frozen again when its successor runs")
		}
		d.mu.Unlock()
	}
	ds.end()
	ds.work.Wait()
}

func (ds *Desktops) all() []*desktop {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	all := make([]*desktop, 0, len(ds.pods))
	for _, d := range ds.pods {
		all = append(all, d)
	}
	return all
}

// of is what is known of a pod; nil if nothing is.
func (ds *Desktops) of(pod types.UID) *desktop {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.pods[pod]
}

// make is what is known of a pod from now on.
func (ds *Desktops) make(pod types.UID) *desktop {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d := ds.pods[pod]
	if d == nil {
		d = &desktop{uid: pod}
		ds.pods[pod] = d
	}
	return d
}

// background runs work that Close waits for.
func (ds *Desktops) background(work func(context.Context)) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if !ds.ended {
		ds.work.Go(func() { work(ds.alive) })
	}
}

// ending says that nothing may be frozen any more.
func (ds *Desktops) ending() bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.ended
}

// someTime is a part of a time by chance, so that what began at once does not go on at once.
func someTime(of time.Duration) time.Duration { return rand.N(of + 1) }
