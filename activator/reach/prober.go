package reach

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
)

// dialsAtOnce bounds the connections that are being made to a desktop that accepts,
// well below the 4096 that Linux queues for a listener (net.core.somaxconn).
const dialsAtOnce = 64

// waiter is one visitor. Its place is nil once it was told, or has left.
type waiter struct {
	prober *prober
	visit  Visit
	tell   func(net.Conn, error)
	// looks says that it wants to know, and no connection.
	looks bool
	place *list.Element
	// checked says that the visit was found to have hope when it came.
	checked bool
}

// leave ends the wait; false when tell is under way or was called.
func (w *waiter) leave() bool {
	w.prober.mu.Lock()
	defer w.prober.mu.Unlock()
	if w.place == nil {
		return false
	}
	w.prober.remove(w)
	w.prober.nudge()
	return true
}

// prober dials one session's desktop while anybody waits for it, and ends with the
// last who does.
type prober struct {
	reacher *Reacher
	session types.NamespacedName
	// poke tells that visitors came or left.
	poke chan struct{}
	// attempts are the outcomes of those in flight.
	attempts chan attempt

	mu sync.Mutex
	// queue holds *waiter, who came first in front; looking counts those who only look.
	queue   *list.List
	looking int
}

// attempt is the outcome of one dial; without a connection it failed.
type attempt struct {
	// round is the target's when the dial began.
	round int
	conn  net.Conn
}

func newProber(r *Reacher, session types.NamespacedName) *prober {
	return &prober{reacher: r, session: session, poke: make(chan struct{}, 1),
		attempts: make(chan attempt, dialsAtOnce), queue: list.New()}
}

func (p *prober) enter(w *waiter) *waiter {
	w.prober = p
	p.mu.Lock()
	defer p.mu.Unlock()
	w.place = p.queue.PushBack(w)
	if w.looks {
		p.looking++
	}
	p.nudge()
	return w
}

func (p *prober) nudge() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *prober) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.Len()
}

// remove takes a waiter from the queue; the caller holds the lock.
func (p *prober) remove(w *waiter) {
	p.queue.Remove(w.place)
	w.place = nil
	if w.looks {
		p.looking--
	}
}

// give hands a connection to who has waited longest for one, and tells all who only
// look; false when nobody wants it.
func (p *prober) give(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	given := false
	for at := p.queue.Front(); at != nil && (!given || p.looking > 0); {
		w := at.Value.(*waiter)
		at = at.Next()
		switch {
		case w.looks:
			p.remove(w)
			go w.tell(nil, nil)
		case !given:
			given = true
			p.remove(w)
			go w.tell(conn, nil)
		}
	}
	return given
}

// turnAway tells those who have no hope, of all or of those who have just come, who
// stand at the end.
func (p *prober) turnAway(view directory.View, known, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at := p.queue.Back(); at != nil; {
		w := at.Value.(*waiter)
		if w.checked && !all {
			return
		}
		at, w.checked = at.Prev(), true
		if err := hopeless(view, known, w.visit); err != nil {
			p.remove(w)
			go w.tell(nil, err)
		}
	}
}

// run dials until nobody waits any more. One attempt is made at a time until the
// desktop accepts; from then on as many as there are visitors, within dialsAtOnce.
func (p *prober) run() {
	ctx, cancel := context.WithCancel(context.Background())
	inFlight := 0
	defer func() {
		cancel()
		for ; inFlight > 0; inFlight-- {
			if a := <-p.attempts; a.conn != nil {
				_ = a.conn.Close()
			}
		}
	}()
	t := &target{reacher: p.reacher}
	defer t.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen <-chan struct{}
	for {
		view, known := p.reacher.dir.View(p.session)
		p.turnAway(view, known, view.Changed != seen)
		seen = view.Changed
		t.look(view)
		waiting := p.waiting()
		if waiting == 0 {
			if p.reacher.retire(p) {
				return
			}
			continue
		}
		for range t.due(waiting) {
			inFlight++
			t.inFlight++
			go p.attempt(ctx, t.round, t.addr, timeout(t.known()))
		}
		timer.Reset(t.wait())
		select {
		case <-view.Changed:
		case <-p.poke:
		case <-timer.C:
		case a := <-p.attempts:
			inFlight--
			current := t.tried(a)
			if a.conn != nil && (!current || !p.give(a.conn)) {
				_ = a.conn.Close()
			}
		}
	}
}

func (p *prober) attempt(ctx context.Context, round int, addr string, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := p.reacher.dial(ctx, "tcp", addr)
	if err != nil {
		conn = nil
	}
	p.attempts <- attempt{round, conn}
}
