// Package probe connects to a session's desktop as soon as its port accepts.
//
// It dials the pod's own IP from the moment it is known, without waiting for
// readiness, and it gives up only for a reason that a person can read. However many
// visitors wait for a desktop, one dialer dials it until it accepts; only then does
// each get a connection of its own. It wakes nothing: see package wake.
package probe

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// acceptsTimeout bounds the attempt of Accepts, for which a page waits.
const acceptsTimeout = 250 * time.Millisecond

// Prober dials desktops.
type Prober struct {
	dir  *directory.Directory
	dial Dial
	// probing is how many desktops are dialled that have not accepted yet.
	probing atomic.Int64

	mu      sync.Mutex
	dialers map[types.NamespacedName]*dialer
}

// Dial connects as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// New makes a Prober.
func New(dir *directory.Directory, dial Dial) *Prober {
	return &Prober{dir: dir, dial: dial, dialers: map[types.NamespacedName]*dialer{}}
}

// Visit is who wants to reach a desktop.
type Visit struct {
	Session types.NamespacedName
	// UID is the session's that the visitor was let in to: a later one of the same
	// name is another person's.
	UID types.UID
	// Slept is the last sleep that the visitor knew of when coming; zero is none.
	// Only a later one ends the visit. It is the operator's time, like every time
	// it is compared with, so no two clocks need to agree.
	Slept time.Time
}

// Dial waits until the session's desktop accepts a connection for a plain request and
// returns it; WebSockets that wait for its start get theirs before. It returns early when
// the session is gone or switched off, or was put to sleep by a clock after the visitor
// came.
func (r *Prober) Dial(ctx context.Context, visit Visit) (net.Conn, error) {
	type outcome struct {
		conn net.Conn
		err  error
	}
	told := make(chan outcome, 1)
	w := r.await(&waiter{visit: visit, wants: forRequest, tell: func(c net.Conn, err error) { told <- outcome{c, err} }})
	select {
	case o := <-told:
		return o.conn, o.err
	case <-ctx.Done():
		if !w.leave() {
			if o := <-told; o.conn != nil {
				_ = o.conn.Close()
			}
		}
		return nil, context.Cause(ctx)
	}
}

// Await is Dial for WebSockets, which have better things to do than to wait: tell is called
// once, on a goroutine of its own, with the connection or the reason why there will
// be none. A visitor who waits costs a few words of memory and no goroutine.
//
// cancel ends the wait. tell may be under way by then: it must then close what it
// gets.
func (r *Prober) Await(visit Visit, tell func(net.Conn, error)) (cancel func()) {
	w := r.await(&waiter{visit: visit, wants: forSocket, tell: tell})
	return func() { w.leave() }
}

// AwaitAccept is Await for those who want to know that the desktop accepts, and no connection:
// they take none from those who do.
func (r *Prober) AwaitAccept(visit Visit, tell func(error)) (cancel func()) {
	w := r.await(&waiter{visit: visit, wants: forProbe, tell: func(_ net.Conn, err error) { tell(err) }})
	return func() { w.leave() }
}

func (r *Prober) await(w *waiter) *waiter {
	visit := w.visit
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.dialers[visit.Session]
	if p == nil {
		p = newDialer(r, visit.Session)
		r.dialers[visit.Session] = p
		go p.run()
	}
	return p.enter(w)
}

// retire forgets a dialer for which nobody waits; false when somebody came.
func (r *Prober) retire(p *dialer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.waiting() > 0 {
		return false
	}
	delete(r.dialers, p.session)
	return true
}

// Accepts says whether the desktop accepts connections at this moment.
func (r *Prober) Accepts(ctx context.Context, key types.NamespacedName) bool {
	view, ok := r.dir.View(key)
	if !ok {
		return false
	}
	addr := address(view)
	if addr == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, acceptsTimeout)
	defer cancel()
	conn, err := r.dial(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Check returns the reason for which the visitor cannot reach the desktop, or nil
// while there is hope.
func (r *Prober) Check(visit Visit) error {
	view, ok := r.dir.View(visit.Session)
	return hopeless(view, ok, visit)
}

// address is where to dial; empty while there is nowhere. The pod of a desktop
// that sleeps is on its way out: whoever comes now gets the next one.
func address(v directory.View) string {
	if v.Session == nil || lifecycle.Asleep(v.Session) || v.Pod == nil || v.Pod.IP == "" || v.Pod.Port == 0 {
		return ""
	}
	return net.JoinHostPort(v.Pod.IP, strconv.Itoa(int(v.Pod.Port)))
}
