// Package probe connects to a session's desktop as soon as its port accepts.
//
// It dials the pod's own IP from the moment it is known, without waiting for
// readiness, and gives up only for a reason that a person can read. However many
// visitors wait for a desktop, one dialer dials it until it accepts; only then does
// each get a connection of its own. A probe wakes nothing: see package wake.
package probe

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// acceptsTimeout bounds the attempt of Accepts, for which a page waits.
const acceptsTimeout = 250 * time.Millisecond

// Prober dials desktops.
type Prober struct {
	dir  *directory.Directory
	dial Dial
	// Thaws has dozing desktops thawed that are dialled for who may; nil leaves that to the
	// operator. Set it before use.
	Thaws Thaws
	// probing is how many desktops are dialled that have not accepted yet.
	probing atomic.Int64

	mu      sync.Mutex
	dialers map[types.NamespacedName]*dialer
}

// Dial connects as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Thaws thaws dozing desktops; see thaw.Thawer.
type Thaws interface {
	// Frozen says that a desktop must not be dialled, for it dozes.
	Frozen(v directory.View) bool
	// Ask has one thawed, and closes the channel once that was tried.
	Ask(v directory.View) (tried <-chan struct{})
}

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
	// Thaws says that a dozing desktop is thawed for the visitor.
	Thaws bool
}

// VisitOf is of a visitor who was let in to s, and knew of that last sleep.
func VisitOf(s *v1alpha1.VDISession, slept time.Time) Visit {
	return Visit{Session: client.ObjectKeyFromObject(s), UID: s.UID, Slept: slept}
}

// Dial waits until the session's desktop accepts a connection for a plain request and
// returns it; WebSockets that wait for its start get theirs first. It returns an error of
// this package when the session is gone or switched off, or when a clock put the desktop to
// sleep after the visitor came.
func (p *Prober) Dial(ctx context.Context, visit Visit) (net.Conn, error) {
	type outcome struct {
		conn net.Conn
		err  error
	}
	got := make(chan outcome, 1)
	w := p.await(&waiter{visit: visit, wants: forRequest, done: func(c net.Conn, err error) { got <- outcome{c, err} }})
	select {
	case o := <-got:
		return o.conn, o.err
	case <-ctx.Done():
		if !w.leave() {
			if o := <-got; o.conn != nil {
				_ = o.conn.Close()
			}
		}
		return nil, context.Cause(ctx)
	}
}

// Await is Dial for WebSockets, without blocking: it calls done once, on a goroutine of its
// own, with the connection or the reason why there will be none. A visitor who waits costs
// a few words of memory and no goroutine.
//
// cancel ends the wait. done may be running by then: it must close the connection that it
// gets.
func (p *Prober) Await(visit Visit, done func(net.Conn, error)) (cancel func()) {
	w := p.await(&waiter{visit: visit, wants: forSocket, done: done})
	return func() { w.leave() }
}

// AwaitAccept is Await without a connection: it calls done once the desktop accepts, and takes
// no connection from those who want one.
func (p *Prober) AwaitAccept(visit Visit, done func(error)) (cancel func()) {
	w := p.await(&waiter{visit: visit, wants: forProbe, done: func(_ net.Conn, err error) { done(err) }})
	return func() { w.leave() }
}

func (p *Prober) await(w *waiter) *waiter {
	visit := w.visit
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.dialers[visit.Session]
	if d == nil {
		d = newDialer(p, visit.Session)
		p.dialers[visit.Session] = d
		go d.run()
	}
	return d.enter(w)
}

// retire forgets a dialer for which nobody waits; false when somebody came.
func (p *Prober) retire(d *dialer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.waiting() > 0 {
		return false
	}
	delete(p.dialers, d.session)
	return true
}

// Accepts says whether the desktop accepts connections at this moment.
func (p *Prober) Accepts(ctx context.Context, view directory.View) bool {
	addr := p.address(view)
	if addr == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, acceptsTimeout)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Check returns why the visitor cannot reach the desktop; nil while it may still accept.
func (p *Prober) Check(visit Visit) error {
	view, ok := p.dir.View(visit.Session)
	return unreachable(view, ok, visit)
}

// Frozen says that the desktop dozes: a connection would be accepted by its kernel, and answered
// by nobody.
func (p *Prober) Frozen(view directory.View) bool {
	if p.Thaws == nil {
		return view.Session != nil && lifecycle.Dozing(view.Session)
	}
	return p.Thaws.Frozen(view)
}

// Agent is where the agent beside a desktop that is, or starts, takes orders; empty where none does.
func (p *Prober) Agent(v directory.View) string {
	if v.Pod == nil {
		return ""
	}
	return p.at(v, int(v.Pod.AgentPort))
}

// address is where to dial; empty while there is nowhere, or nobody who answers.
func (p *Prober) address(v directory.View) string {
	if v.Pod == nil {
		return ""
	}
	return p.at(v, int(v.Pod.Port))
}

// at is a port of the session's pod. The pod of a desktop that sleeps is about to end: a visitor
// who comes now gets the next one.
func (p *Prober) at(v directory.View, port int) string {
	if v.Session == nil || lifecycle.Asleep(v.Session) || lifecycle.Finishing(v.Session) || v.Pod.IP == "" || port == 0 || p.Frozen(v) {
		return ""
	}
	return net.JoinHostPort(v.Pod.IP, strconv.Itoa(port))
}
