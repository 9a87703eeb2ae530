package probe

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
)

// dialsAtOnce bounds the dials under way to a desktop that accepts, well below the 4096
// that Linux queues for a listener (net.core.somaxconn).
const dialsAtOnce = 64

// dialer dials one session's desktop while anybody waits for it, and ends with the
// last who does.
type dialer struct {
	prober  *Prober
	session types.NamespacedName
	// poke wakes run when visitors came or left.
	poke chan struct{}
	// attempts are the outcomes of those in flight.
	attempts chan attempt

	mu sync.Mutex
	// queues hold *waiter, first come first; came counts all that ever came.
	queues [kinds]*list.List
	came   uint64
	// ahead is until when WebSockets go before plain requests.
	ahead time.Time
}

// attempt is the outcome of one dial; without a connection it failed.
type attempt struct {
	// round is the target's when the dial began.
	round int
	conn  net.Conn
}

func newDialer(p *Prober, session types.NamespacedName) *dialer {
	d := &dialer{prober: p, session: session, poke: make(chan struct{}, 1), attempts: make(chan attempt, dialsAtOnce)}
	for i := range d.queues {
		d.queues[i] = list.New()
	}
	return d
}

func (d *dialer) nudge() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// run dials until nobody waits. It makes one attempt at a time until the desktop accepts;
// from then on as many as there are visitors, within dialsAtOnce.
func (d *dialer) run() {
	ctx, cancel := context.WithCancel(context.Background())
	inFlight := 0
	defer func() {
		cancel()
		for ; inFlight > 0; inFlight-- {
			if a := <-d.attempts; a.conn != nil {
				_ = a.conn.Close()
			}
		}
	}()
	t := &target{prober: d.prober}
	defer t.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen <-chan struct{}
	first := 0 // the round in which WebSockets went first
	for {
		view, known := d.prober.dir.View(d.session)
		d.refuse(view, known, view.Changed != seen)
		seen = view.Changed
		t.update(view)
		if d.waiting() == 0 {
			if d.prober.retire(d) {
				return
			}
			continue
		}
		tried := d.thaw(view)
		ready, then := d.ready()
		for range t.due(ready) {
			inFlight++
			t.inFlight++
			go d.attempt(ctx, t.round, t.addr, timeout(t.known()))
		}
		wait := t.wait()
		if then > 0 {
			wait = min(wait, then)
		}
		timer.Reset(wait)
		select {
		case <-view.Changed:
		case <-tried:
		case <-d.poke:
		case <-timer.C:
		case a := <-d.attempts:
			inFlight--
			current := t.tried(a)
			if t.accepts && first != t.round {
				first = t.round
				d.socketsFirst()
			}
			if a.conn != nil && (!current || !d.give(a.conn)) {
				_ = a.conn.Close()
			}
		}
	}
}

// thaw has a dozing desktop thawed if somebody waits who may have that; the channel is nil where
// there is nothing to wait for.
func (d *dialer) thaw(view directory.View) (tried <-chan struct{}) {
	if d.prober.Thaws == nil || view.Session == nil || !d.thaws() || !d.prober.Thaws.Frozen(view) {
		return nil
	}
	return d.prober.Thaws.Ask(view)
}

func (d *dialer) attempt(ctx context.Context, round int, addr string, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := d.prober.dial(ctx, "tcp", addr)
	if err != nil {
		conn = nil
	}
	d.attempts <- attempt{round, conn}
}
