// Package thaw has dozing desktops thawed for visitors, by the programs on their nodes.
//
// It promises that the visitors of a desktop share one order at a time, and that nothing is
// asked for who only looks or was not checked: whoever calls it knows that a visitor waits. What
// it shows to a program is the order in status.doze, which is good for that desktop alone. Where
// no program answers, the operator learns of the visit as of every other, and sees to it.
package thaw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
)

// againAfter is the pause after an order that was not obeyed.
const againAfter = 500 * time.Millisecond

// Programs obey orders to thaw; see nodeapi.Client.
type Programs interface {
	Thaw(ctx context.Context, address netip.AddrPort, order string) error
}

var _ Programs = (*nodeapi.Client)(nil)

// Thawer gives orders for all sessions of this replica. Stop ends it.
type Thawer struct {
	programs Programs
	within   time.Duration
	// places bound the orders that are on their way.
	places  chan struct{}
	metrics *metrics.Activator
	log     *slog.Logger
	ctx     context.Context
	stop    context.CancelFunc

	mu sync.Mutex
	// thaws are the latest of each session that dozes.
	thaws map[types.NamespacedName]*thaw
}

// thaw is what became of one order; mu of the Thawer guards it.
type thaw struct {
	order string
	// done says that the desktop runs, next when to ask again where it does not.
	done bool
	next time.Time
	// tried is closed when the order on its way was answered; nil where none is.
	tried chan struct{}
}

// New makes a Thawer with these limits.
func New(programs Programs, l config.Limits, m *metrics.Activator, log *slog.Logger) *Thawer {
	t := &Thawer{programs: programs, within: l.ThawTimeout.Duration, places: make(chan struct{}, l.ThawsAtOnce), metrics: m, log: log,
		thaws: map[types.NamespacedName]*thaw{}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Stop ends the orders that are on their way.
func (t *Thawer) Stop() { t.stop() }

// Frozen says that a session's desktop must not be dialled: it dozes, and no order of ours has
// thawed it.
func (t *Thawer) Frozen(v directory.View) bool {
	if v.Session == nil || !lifecycle.Dozing(v.Session) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	is := t.thaws[v.Key()]
	return is == nil || is.order != v.Session.Status.Doze.Thaw || !is.done
}

// Ask has a session's desktop thawed for who waits for it. The channel is closed once that was
// tried: Frozen says how it ended.
func (t *Thawer) Ask(v directory.View) (tried <-chan struct{}) {
	key, d := v.Key(), *v.Session.Status.Doze
	t.mu.Lock()
	defer t.mu.Unlock()
	is := t.thaws[key]
	if is == nil || is.order != d.Thaw {
		is = &thaw{order: d.Thaw}
		t.thaws[key] = is
	}
	if is.tried != nil {
		return is.tried
	}
	is.tried = make(chan struct{})
	go t.try(v, d, is)
	return is.tried
}

// Forget drops what is kept of a session that dozes no longer.
func (t *Thawer) Forget(_, s *v1alpha1.VDISession) {
	if s == nil || lifecycle.Dozing(s) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.thaws, types.NamespacedName{Namespace: s.Namespace, Name: s.Name})
}

// try gives the order once, after the pause that an earlier failure asks for.
func (t *Thawer) try(v directory.View, d v1alpha1.SessionDoze, is *thaw) {
	t.mu.Lock()
	wait := time.Until(is.next)
	t.mu.Unlock()
	began := time.Now()
	err := t.after(wait)
	if err == nil {
		began = time.Now()
		err = t.order(d)
	}
	t.metrics.Thawed(err == nil, time.Since(began))
	if err != nil && t.ctx.Err() == nil {
		t.log.Warn("a dozing desktop was not thawed; the operator is told of the visit",
			"namespace", v.Session.Namespace, "session", v.Session.Name, "node", d.Node, "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	is.done, is.next = err == nil, time.Now().Add(againAfter)
	close(is.tried)
	is.tried = nil
}

func (t *Thawer) after(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// order asks the program; nil is that the desktop runs.
func (t *Thawer) order(d v1alpha1.SessionDoze) error {
	address, err := netip.ParseAddrPort(d.Address)
	if err != nil || d.Thaw == "" {
		return fmt.Errorf("status.doze has no order, or no address of a program: %q", d.Address)
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.within)
	defer cancel()
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	case <-ctx.Done():
		return fmt.Errorf("%d orders are on their way: %w", cap(t.places), ctx.Err())
	}
	err = t.programs.Thaw(ctx, address, d.Thaw)
	// What came later was the operator's, which thaws too, or freezes with another order that is
	// on its way here.
	if errors.Is(err, nodeapi.ErrOvertaken) {
		return nil
	}
	return err
}
