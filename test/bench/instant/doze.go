package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/harness"
)

const (
	// watched is how long the processor's time of desktops that doze is taken.
	watched = 30 * time.Second
	// settled is how long desktops run before their memory is read.
	settled = 5 * time.Second
)

// cost is what the desktops take, all together.
type cost struct {
	awake, dozing process.Memory
	// swapped is what swap took for them, in bytes.
	swapped int64
	// awakeCPU and dozingCPU are of a minute.
	awakeCPU, dozingCPU time.Duration
}

// dozes visits desktops that doze: first with their memory in place, then paged out.
func (b *bench) dozes(ctx context.Context) (err error) {
	var all []desktop
	err = within(ctx, func(ctx context.Context) (err error) {
		err = b.template(ctx, nameDoze, v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(longer),
			DozeAfter: v1alpha1.NewDuration(lifecycle.Shortest), DozeFor: v1alpha1.NewDuration(longer)}, nil)
		if err != nil {
			return err
		}
		all, err = b.sessions(ctx, nameDoze, b.desktops)
		return err
	})
	if err != nil {
		return err
	}
	// The first visit is from zero.
	for _, d := range all {
		err := within(ctx, func(ctx context.Context) error {
			_, _, err := d.visitor.Get(ctx, "/", nil)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := b.awake(ctx, all); err != nil {
		return err
	}
	if err := b.rounds(ctx, nameDoze, all); err != nil {
		return err
	}
	if err := openSwap(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeSwap(context.WithoutCancel(ctx))) }()
	return b.rounds(ctx, namePaged, all)
}

func (b *bench) rounds(ctx context.Context, kind string, all []desktop) error {
	for round := range 2 * b.each {
		if err := b.round(ctx, kind, all, round); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// round visits each desktop once: with a program in even rounds, with Chromium in odd ones.
func (b *bench) round(ctx context.Context, kind string, all []desktop, round int) error {
	if err := within(ctx, func(ctx context.Context) error { return b.frozen(ctx, all) }); err != nil {
		return err
	}
	if kind == namePaged {
		if err := within(ctx, func(ctx context.Context) error { return b.settle(ctx, all) }); err != nil {
			return err
		}
		if round == 0 {
			if err := b.dozing(ctx, all); err != nil {
				return err
			}
		}
	}
	visit := b.firstByte
	if round%2 == 1 {
		visit = b.firstFrame
	}
	for _, d := range all {
		if err := within(ctx, func(ctx context.Context) error { return visit(ctx, kind, d) }); err != nil {
			return err
		}
	}
	return nil
}

// frozen waits until all desktops are.
func (b *bench) frozen(ctx context.Context, all []desktop) error {
	for _, d := range all {
		if _, err := b.in.Session(ctx, d.key, "dozing", harness.Frozen); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until no more memory goes to swap.
func (b *bench) settle(ctx context.Context, all []desktop) error {
	last := int64(-1)
	return eventually.Wait(ctx, "the desktops' memory to be paged out", func() error {
		time.Sleep(time.Second)
		now, err := b.memory(ctx, all)
		if err == nil && now.Anonymous != last {
			err = fmt.Errorf("%d MiB are still in memory, and that changes", now.Anonymous>>20)
		}
		last = now.Anonymous
		return err
	})
}

// awake reads what desktops take that nobody has left yet.
func (b *bench) awake(ctx context.Context, all []desktop) (err error) {
	time.Sleep(settled)
	if b.cost.awake, err = b.memory(ctx, all); err != nil {
		return err
	}
	const for1 = 2 * time.Second // they doze soon
	b.cost.awakeCPU, err = b.used(ctx, all, for1)
	return err
}

// dozing reads what they take while they are frozen and paged out.
func (b *bench) dozing(ctx context.Context, all []desktop) (err error) {
	if b.cost.dozing, err = b.memory(ctx, all); err != nil {
		return err
	}
	if b.cost.swapped, err = swapUsed(); err != nil {
		return err
	}
	b.cost.dozingCPU, err = b.used(ctx, all, watched)
	return err
}

// used is the processor's time that the desktops use while we wait, as of a minute.
func (b *bench) used(ctx context.Context, all []desktop, wait time.Duration) (time.Duration, error) {
	before, err := b.cpu(ctx, all)
	if err != nil {
		return 0, err
	}
	time.Sleep(wait)
	after, err := b.cpu(ctx, all)
	return time.Duration(float64(after-before) * float64(time.Minute) / float64(wait)), err
}

func (b *bench) cpu(ctx context.Context, all []desktop) (sum time.Duration, err error) {
	err = b.processes(ctx, all, func(p *process.Process) error {
		used, err := p.CPU()
		sum += used
		return err
	})
	return sum, err
}

func (b *bench) memory(ctx context.Context, all []desktop) (sum process.Memory, err error) {
	err = b.processes(ctx, all, func(p *process.Process) error {
		m, err := p.Memory()
		sum.Anonymous, sum.Proportional = sum.Anonymous+m.Anonymous, sum.Proportional+m.Proportional
		return err
	})
	return sum, err
}

// processes calls do with each process of the desktops' own containers.
func (b *bench) processes(ctx context.Context, all []desktop, do func(*process.Process) error) error {
	for _, d := range all {
		s := &v1alpha1.VDISession{}
		if err := b.in.Client.Get(ctx, d.key, s); err != nil {
			return err
		}
		pods, err := b.in.Pods(ctx, s)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			for _, c := range pod.Status.ContainerStatuses {
				if c.Name != v1alpha1.ContainerDesktop {
					continue
				}
				_, id, _ := strings.Cut(c.ContainerID, "://")
				container, err := b.root.Container(pod.UID, id)
				if err != nil {
					return fmt.Errorf("the desktop %s on this node: %w", d.key.Name, err)
				}
				pids, err := container.PIDs()
				if err != nil {
					return err
				}
				for _, pid := range pids {
					if err := do(process.At(pid)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
