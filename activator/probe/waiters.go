package probe

import (
	"container/list"
	"net"
	"time"

	"github.com/org/vdi-operator/activator/directory"
)

// behindSockets is how long a plain request lets the WebSockets go ahead that wait with
// it. Selkies 1.6.2 begins to sleep some 9 ms after it listens unless both its viewers
// have said HELLO by then, and it reads one request after the other: a page's last fonts
// must not be what it reads first.
const behindSockets = 25 * time.Millisecond

// waiter is one visitor. Its place is nil once done is called, or it has left.
type waiter struct {
	dialer *dialer
	visit  Visit
	done   func(net.Conn, error)
	wants  wants
	// came is its number among those who have come.
	came  uint64
	place *list.Element
	// checked says that the desktop was reachable for the visit when it came.
	checked bool
}

// wants is what a waiter waits for.
type wants int

const (
	// forSocket wants a connection for a WebSocket.
	forSocket wants = iota
	// forRequest wants a connection for a plain request.
	forRequest
	// forProbe wants to know that the desktop accepts, and no connection.
	forProbe
	kinds
)

// leave ends the wait; false when done is under way or was called.
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

func (d *dialer) enter(w *waiter) *waiter {
	w.dialer = d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came++
	w.came, w.place = d.came, d.queues[w.wants].PushBack(w)
	d.nudge()
	return w
}

func (d *dialer) waiting() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		n += q.Len()
	}
	return n
}

// thaws says that a dozing desktop is thawed for somebody who waits.
func (d *dialer) thaws() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		for at := q.Front(); at != nil; at = at.Next() {
			if at.Value.(*waiter).visit.Thaws {
				return true
			}
		}
	}
	return false
}

// ready is how many connections a desktop that accepts is wanted for, and for how long plain
// requests still wait behind WebSockets. One attempt answers all who want no connection.
func (d *dialer) ready() (n int, then time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, then = d.queues[forSocket].Len(), time.Until(d.ahead)
	if then <= 0 {
		n += d.queues[forRequest].Len()
	}
	if n == 0 && d.queues[forProbe].Len() > 0 {
		n = 1
	}
	return n, then
}

// remove takes a waiter from its queue; the caller holds the lock.
func (d *dialer) remove(w *waiter) {
	d.queues[w.wants].Remove(w.place)
	w.place = nil
}

// give hands a connection to who has waited longest for one, and answers all who want
// none; false when nobody wants it.
func (d *dialer) give(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := d.queues[forProbe].Front(); at != nil; at = d.queues[forProbe].Front() {
		w := at.Value.(*waiter)
		d.remove(w)
		go w.done(nil, nil)
	}
	var first *waiter
	if at := d.queues[forSocket].Front(); at != nil {
		first = at.Value.(*waiter)
	}
	if at := d.queues[forRequest].Front(); at != nil && !time.Now().Before(d.ahead) {
		if w := at.Value.(*waiter); first == nil || w.came < first.came {
			first = w
		}
	}
	if first == nil {
		return false
	}
	d.remove(first)
	go first.done(conn, nil)
	return true
}

// socketsFirst lets waiting WebSockets go before plain requests, at a desktop that has just
// started to accept.
func (d *dialer) socketsFirst() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queues[forSocket].Len() > 0 {
		d.ahead = time.Now().Add(behindSockets)
	}
}

// refuse ends the wait of those who cannot reach the desktop: of all, or of those who have
// just come, at the queues' ends.
func (d *dialer) refuse(view directory.View, known, all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		for at := q.Back(); at != nil; {
			w := at.Value.(*waiter)
			if w.checked && !all {
				break
			}
			at, w.checked = at.Prev(), true
			if err := unreachable(view, known, w.visit); err != nil {
				d.remove(w)
				go w.done(nil, err)
			}
		}
	}
}
