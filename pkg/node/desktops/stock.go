package desktops

import (
	"context"
	"errors"
	"time"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/token"
)

// look finds out whether a pod is frozen since before the program's start: then its session
// says whether that is right. It asks until it has an answer; meanwhile orders to thaw are
// obeyed.
func (ds *Desktops) look(d *desktop) func(context.Context) {
	return func(ctx context.Context) {
		for !ds.lookOnce(ctx, d) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(askAgain + someTime(askAgain)):
			}
		}
	}
}

// lookOnce returns whether nothing is left to find out.
func (ds *Desktops) lookOnce(ctx context.Context, d *desktop) bool {
	d.mu.Lock()
	turn := d.turn
	found, err := ds.anyFrozen(d)
	if err == nil && !found {
		d.looked = true
	}
	looked := d.looked
	d.mu.Unlock()
	if looked {
		return true
	}
	if err != nil {
		ds.Log.Warn("cannot see whether a pod is frozen; looking again", "pod", d.uid, "error", err)
		return false
	}
	says, err := ds.ask(ctx, d)
	if err != nil {
		ds.Log.Warn("a desktop is frozen since before the program's start, and its session cannot be read; asking again", "pod", d.uid, "error", err)
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turn != turn || d.looked { // an order came meanwhile
		d.looked = true
		return true
	}
	switch says {
	case Dozes:
		if ds.adopt(d) {
			break
		}
		ds.thawOwn(d, metrics.ThawNotDozing, "not its desktop is frozen")
	case Runs:
		ds.thawOwn(d, metrics.ThawNotDozing, "its session does not say that it dozes")
	case NotOurs:
	}
	d.looked = true
	return true
}

func (ds *Desktops) anyFrozen(d *desktop) (bool, error) {
	all, err := ds.Root.Containers(d.uid)
	if err != nil && !errors.Is(err, cgroup.ErrNone) {
		return false, err
	}
	for _, c := range all {
		if told, err := c.Told(); err == nil && told { // a freeze that was cut off may never have come to its end
			return true, nil
		}
	}
	return false, nil
}

// adopt keeps a desktop frozen that the program's predecessor froze. It is called with d.mu held.
func (ds *Desktops) adopt(d *desktop) bool {
	c, err := ds.Root.Container(d.uid, d.container)
	if err != nil {
		return false
	}
	if is, err := c.Frozen(); err != nil || !is {
		return false
	}
	d.setFrozen(&c)
	// Whoever has an order to thaw may have had it for long.
	d.last = done{action: token.ActionFreeze}
	d.pulse = ds.Now().Add(someTime(ds.PulseEvery))
	ds.pageOut(d, c)
	ds.Log.Info("a desktop dozes since before the program's start", "namespace", d.pod.Namespace, "pod", d.pod.Name, "session", d.session.Name)
	return true
}

// ask asks a session what it says, a few at once.
func (ds *Desktops) ask(ctx context.Context, d *desktop) (Says, error) {
	d.mu.Lock()
	session := d.session
	d.mu.Unlock()
	select {
	case ds.asking <- struct{}{}:
		defer func() { <-ds.asking }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return ds.Sessions.Ask(ctx, session, d.uid)
}

// thawOwn thaws a desktop that nobody ordered to be. A freeze that was obeyed is not obeyed
// again. It is called with d.mu held.
func (ds *Desktops) thawOwn(d *desktop, cause metrics.ThawCause, why string) {
	log := ds.Log.With("namespace", d.pod.Namespace, "pod", d.pod.Name, "session", d.session.Name, "why", why)
	d.last.action = token.ActionThaw
	if err := ds.run(ds.alive, d); err != nil && !errors.Is(err, cgroup.ErrNone) {
		log.Error("a desktop could not be thawed", "error", err)
		return
	}
	ds.Metrics.ThawedOwn(cause)
	log.Info("thawed a desktop without an order")
}
