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

// dialsAtOnce bounds the connections that are being made to a desktop that accepts,
// well below the 4096 that Linux queues for a listener (net.core.somaxconn).
const dialsAtOnce = 64

// behindSockets is how long a plain request lets the WebSockets go ahead that wait with
// it. Selkies 1.6.2 begins to sleep some 9 ms after it listens unless both its viewers
// have said HELLO by then, and it reads one request after the other: a page's last fonts
// must not be what it reads first.
const behindSockets = 25 * time.Millisecond

// waiter is one visitor. Its place is nil once it was told, or has left.
type waiter struct {
	dialer *dialer
	visit  Visit
	tell   func(net.Conn, error)
	wants  wants
	// came is its number among those who have come.
	came  uint64
	place *list.Element
	// checked says that the visit was found to have hope when it came.
	checked bool
}

// wants is what a waiter waits for.
type wants int

const (
	// forSocket wants a connection for a WebSocket.
	forSocket wants = iota
	// forRequest wants a connection for a plain request.
	forRequest
	// forProbe wants to know, and no connection.
	forProbe
	kinds
)

// leave ends the wait; false when tell is under way or was called.
func (w *waiter) leave() bool {
	w.dialer.mu.Lock()
	defer w.dialer.mu.Unlock()
	if w.place == nil {
		return false
	}
	w.dialer.remove(w)
	w.dialer.nudge()
	return true
}

// dialer dials one session's desktop while anybody waits for it, and ends with the
// last who does.
type dialer struct {
	prober  *Prober
	session types.NamespacedName
	// poke tells that visitors came or left.
	poke chan struct{}
	// attempts are the outcomes of those in flight.
	attempts chan attempt

	mu sync.Mutex
	// queues hold *waiter, who came first in front; came counts all there were.
	queues [kinds]*list.List
	came   uint64
	// ahead is until when plain requests leave the desktop to WebSockets.
	ahead time.Time
}

// attempt is the outcome of one dial; without a connection it failed.
type attempt struct {
	// round is the target's when the dial began.
	round int
	conn  net.Conn
}

func newDialer(r *Prober, session types.NamespacedName) *dialer {
	p := &dialer{prober: r, session: session, poke: make(chan struct{}, 1), attempts: make(chan attempt, dialsAtOnce)}
	for i := range p.queues {
		p.queues[i] = list.New()
	}
	return p
}

func (p *dialer) enter(w *waiter) *waiter {
	w.dialer = p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came++
	w.came, w.place = p.came, p.queues[w.wants].PushBack(w)
	p.nudge()
	return w
}

func (p *dialer) nudge() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *dialer) waiting() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues {
		n += q.Len()
	}
	return n
}

// ready is how many attempts are worth to be made at a desktop that accepts, and, where
// somebody has to let others go ahead, for how long. Any attempt tells all who only look.
func (p *dialer) ready() (n int, then time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, then = p.queues[forSocket].Len(), time.Until(p.ahead)
	if then <= 0 {
		n += p.queues[forRequest].Len()
	}
	if n == 0 && p.queues[forProbe].Len() > 0 {
		n = 1
	}
	return n, then
}

// remove takes a waiter from its queue; the caller holds the lock.
func (p *dialer) remove(w *waiter) {
	p.queues[w.wants].Remove(w.place)
	w.place = nil
}

// give hands a connection to who has waited longest for one, and tells all who only look;
// false when nobody wants it.
func (p *dialer) give(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at := p.queues[forProbe].Front(); at != nil; at = p.queues[forProbe].Front() {
		w := at.Value.(*waiter)
		p.remove(w)
		go w.tell(nil, nil)
	}
	var first *waiter
	if at := p.queues[forSocket].Front(); at != nil {
		first = at.Value.(*waiter)
	}
	if at := p.queues[forRequest].Front(); at != nil && !time.Now().Before(p.ahead) {
		if w := at.Value.(*waiter); first == nil || w.came < first.came {
			first = w
		}
	}
	if first == nil {
		return false
	}
	p.remove(first)
	go first.tell(conn, nil)
	return true
}

// lead lets the WebSockets that wait go ahead, at a desktop that has just begun to accept.
func (p *dialer) lead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queues[forSocket].Len() > 0 {
		p.ahead = time.Now().Add(behindSockets)
	}
}

// turnAway tells those who have no hope, of all or of those who have just come, who
// stand at the end.
func (p *dialer) turnAway(view directory.View, known, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues {
		for at := q.Back(); at != nil; {
			w := at.Value.(*waiter)
			if w.checked && !all {
				break
			}
			at, w.checked = at.Prev(), true
			if err := hopeless(view, known, w.visit); err != nil {
				p.remove(w)
				go w.tell(nil, err)
			}
		}
	}
}

// run dials until nobody waits any more. One attempt is made at a time until the
// desktop accepts; from then on as many as there are visitors, within dialsAtOnce.
func (p *dialer) run() {
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
	t := &target{prober: p.prober}
	defer t.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen <-chan struct{}
	led := 0 // the address at which WebSockets went ahead
	for {
		view, known := p.prober.dir.View(p.session)
		p.turnAway(view, known, view.Changed != seen)
		seen = view.Changed
		t.look(view)
		if p.waiting() == 0 {
			if p.prober.retire(p) {
				return
			}
			continue
		}
		ready, then := p.ready()
		for range t.due(ready) {
			inFlight++
			t.inFlight++
			go p.attempt(ctx, t.round, t.addr, timeout(t.known()))
		}
		wait := t.wait()
		if then > 0 {
			wait = min(wait, then)
		}
		timer.Reset(wait)
		select {
		case <-view.Changed:
		case <-p.poke:
		case <-timer.C:
		case a := <-p.attempts:
			inFlight--
			current := t.tried(a)
			if t.accepts && led != t.round {
				led = t.round
				p.lead()
			}
			if a.conn != nil && (!current || !p.give(a.conn)) {
				_ = a.conn.Close()
			}
		}
	}
}

func (p *dialer) attempt(ctx context.Context, round int, addr string, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := p.prober.dial(ctx, "tcp", addr)
	if err != nil {
		conn = nil
	}
	p.attempts <- attempt{round, conn}
}
