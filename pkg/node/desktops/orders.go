package desktops

import (
	"context"
	"errors"
	"fmt"

	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/token"
)

// Errors of orders; errors.Is distinguishes them from what the node cannot do.
var (
	// ErrNoPod says that no such pod of this installation is on the node.
	ErrNoPod = errors.New("no such pod of this installation is on this node")
	// ErrOvertaken says that a later order of the pod was obeyed, or that the pod ends.
	ErrOvertaken = errors.New("overtaken")
)

// Why a freeze or a paging out ends before it is done.
var errThawed = errors.New("a thaw came meanwhile")

// Freeze returns when the desktop of the order's pod is frozen. What can be paged out follows
// in the background.
func (ds *Desktops) Freeze(ctx context.Context, o token.Order) error {
	d := ds.of(o.PodUID)
	if d == nil {
		return ErrNoPod
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	order := done{o.Issued, token.ActionFreeze}
	switch {
	case d.pod != o.Pod:
		return ErrNoPod
	case d.ends:
		return fmt.Errorf("%w: the pod ends", ErrOvertaken)
	case !order.overtakes(d.last):
		return fmt.Errorf("%w: a later order was obeyed", ErrOvertaken)
	case order.issued.Before(ds.began):
		return fmt.Errorf("%w: the program on the node started after it", ErrOvertaken)
	case !d.looked:
		return errors.New("what was frozen before the program's start is still looked for")
	case ds.ending():
		return errors.New("the program on the node ends")
	case d.container == "":
		return errors.New("the desktop's container does not run")
	case d.frozen != nil && d.frozen.ID == d.container:
		d.last = order
		return nil
	}
	c, err := ds.Root.Container(d.uid, d.container)
	if err != nil {
		return fmt.Errorf("the desktop's container %.12s: %w", d.container, err)
	}
	if err := ds.stop(ctx, d, c); err != nil {
		return err
	}
	d.last, d.pulse = order, ds.Now().Add(ds.PulseEvery)
	ds.Log.Info("froze a desktop", "namespace", d.pod.Namespace, "pod", d.pod.Name, "session", d.session.Name)
	return nil
}

// stop freezes a desktop and begins to page it out. It is called with d.mu held.
func (ds *Desktops) stop(ctx context.Context, d *desktop, c cgroup.Container) error {
	ctx, end := d.freezing(ctx)
	defer end()
	if err := c.Freeze(ctx); err != nil {
		if errors.Is(err, errThawed) {
			return fmt.Errorf("%w: %w", ErrOvertaken, err)
		}
		return fmt.Errorf("the desktop's container %.12s: %w", c.ID, err)
	}
	d.setFrozen(&c)
	ds.pageOut(d, c)
	return nil
}

// Thaw returns when the desktop of the order's pod runs. It needs no word from the API server:
// the order names the pod, and every container of that may run.
func (ds *Desktops) Thaw(ctx context.Context, o token.Order) error {
	d := ds.of(o.PodUID)
	if d == nil {
		// The API server has not shown the pod, or not yet.
		if _, err := ds.Root.Containers(o.PodUID); err != nil {
			return noPod(err)
		}
		d = ds.make(o.PodUID)
	}
	d.lockToThaw()
	defer d.mu.Unlock()
	order := done{o.Issued, token.ActionThaw}
	switch {
	case d.pod.Name != "" && d.pod != o.Pod:
		return ErrNoPod
	case d.ends:
		return fmt.Errorf("%w: the pod ends", ErrOvertaken)
	case !order.overtakes(d.last):
		if d.last.action != token.ActionThaw { // else it runs, as it is to
			return fmt.Errorf("%w: a later order was obeyed", ErrOvertaken)
		}
		order = d.last
	}
	was := d.frozen != nil
	if err := ds.run(ctx, d); err != nil {
		return noPod(err)
	}
	d.last = order
	if was {
		ds.Log.Info("thawed a desktop", "namespace", d.pod.Namespace, "pod", d.pod.Name, "session", d.session.Name)
	}
	return nil
}

// run thaws a pod's desktop, and any other container of the pod. It is called with d.mu held.
func (ds *Desktops) run(ctx context.Context, d *desktop) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), thawWithin)
	defer cancel()
	if d.frozen != nil { // the way of a visitor, without a search
		err := d.frozen.Thaw(ctx)
		if err == nil {
			d.setFrozen(nil)
		}
		if !errors.Is(err, cgroup.ErrNone) {
			return err
		}
		d.setFrozen(nil)
	}
	all, err := ds.Root.Containers(d.uid)
	if err != nil {
		return err
	}
	for _, c := range all {
		// One that is about to be frozen counts, too: so each is told to run.
		if err := c.Thaw(ctx); err != nil && !errors.Is(err, cgroup.ErrNone) {
			return err
		}
	}
	d.turn++
	return nil
}

// noPod is ErrNoPod where the pod has no cgroup here.
func noPod(err error) error {
	if errors.Is(err, cgroup.ErrNone) {
		return ErrNoPod
	}
	return err
}
