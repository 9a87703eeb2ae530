// Package sockets is the group of open WebSockets: a shutdown ends them and waits for the
// last one, a viewer that another page takes over is ended, and all of a session end with
// it. What somebody was let in by may end, and with it what they have open; for that reason and
// the last, plain requests and pages' streams are members too.
//
// It does not know what a connection says, nor why it is held.
package sockets

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Conn is a connection as the group sees it.
type Conn interface {
	// StopHolding ends it if it is held.
	StopHolding()
	End(why error)
}

// Member is a connection that is held or relayed.
type Member struct {
	Conn    Conn
	Session types.NamespacedName
	// Visitor is whose it is, by what right.
	Visitor auth.Visitor
	// Access is the policy that it began under; Bound says that it is held to that, and so
	// has to begin anew under another one.
	Access *v1alpha1.AccessPolicy
	Bound  bool
	// Stays says that it outlives what happens to its session: a page, which shows that.
	Stays bool
	// Opened is when it came; Only says that its desktop has room for one viewer.
	Opened time.Time
	Only   bool
	// views says that it counts as its desktop's viewer; see Group.SetViewing.
	views bool
}

// Group is the open WebSockets of a replica.
type Group struct {
	open sync.WaitGroup

	mu sync.Mutex
	// members are those that are held or relayed; the others are being refused.
	members map[*Member]struct{}
	// viewing counts the only viewers that talk to their desktops.
	viewing map[types.NamespacedName]int
	// unheld says that none may be held any longer, closed that no more are accepted,
	// cut that all must end.
	unheld, closed, cut bool
}

// New makes an empty group.
func New() *Group {
	return &Group{members: map[*Member]struct{}{}, viewing: map[types.NamespacedName]int{}}
}

// Enter counts one in; false when no more are accepted.
func (g *Group) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.open.Add(1)
	return true
}

// Leave counts one out.
func (g *Group) Leave() { g.open.Done() }

// Add passes every stop on to a connection that has entered, the earlier ones too.
func (g *Group) Add(m *Member) {
	g.mu.Lock()
	g.members[m] = struct{}{}
	cut, unheld := g.cut, g.unheld
	g.mu.Unlock()
	if cut {
		m.Conn.End(closing.ShuttingDown.Ending())
	} else if unheld {
		m.Conn.StopHolding()
	}
}

// those are the members of which is is true. They are ended without the group's lock: a
// connection that ends by itself asks the group for it while it holds its own.
func (g *Group) those(is func(*Member) bool) (some []*Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for m := range g.members {
		if is(m) {
			some = append(some, m)
		}
	}
	return some
}

func all(*Member) bool { return true }

// Drop takes a connection out of the group before it leaves.
func (g *Group) Drop(m *Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, m)
}

// EndViewer ends those of a session's only viewer that were opened before that moment.
func (g *Group) EndViewer(key types.NamespacedName, before time.Time) {
	for _, m := range g.those(func(m *Member) bool { return m.Only && m.Session == key && m.Opened.Before(before) }) {
		m.Conn.End(closing.UsedElsewhere.Ending())
	}
}

// Review ends each member for which there is a reason; nil is none.
func (g *Group) Review(why func(*Member) error) {
	for _, m := range g.those(all) {
		if err := why(m); err != nil {
			m.Conn.End(err)
		}
	}
}

// EndSession ends all of a session's.
func (g *Group) EndSession(key types.NamespacedName, why error) {
	for _, m := range g.those(func(m *Member) bool { return m.Session == key && !m.Stays }) {
		m.Conn.End(why)
	}
}

// SetViewing says that a session's only viewer talks to its desktop, or does not any more.
func (g *Group) SetViewing(m *Member, does bool) {
	if !m.Only || m.views == does {
		return
	}
	m.views = does
	g.mu.Lock()
	defer g.mu.Unlock()
	if does {
		g.viewing[m.Session]++
	} else if g.viewing[m.Session]--; g.viewing[m.Session] == 0 {
		delete(g.viewing, m.Session)
	}
}

// Viewed says that a session's desktop has its only viewer here.
func (g *Group) Viewed(key types.NamespacedName) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.viewing[key] > 0
}

// StopHolding ends those that are held.
func (g *Group) StopHolding() {
	g.mu.Lock()
	g.unheld = true
	g.mu.Unlock()
	for _, m := range g.those(all) {
		m.Conn.StopHolding()
	}
}

// Drain accepts no more and waits until the last one has left; it ends them all when ctx
// does.
func (g *Group) Drain(ctx context.Context) {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	left := make(chan struct{})
	go func() {
		g.open.Wait()
		close(left)
	}()
	select {
	case <-left:
		return
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.cut = true
	g.mu.Unlock()
	for _, m := range g.those(all) {
		m.Conn.End(closing.ShuttingDown.Ending())
	}
	<-left
}
