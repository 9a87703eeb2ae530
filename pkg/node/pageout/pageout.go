// Package pageout takes the memory of a frozen container from it, into the node's swap and back
// to the files that it came from: as a whole where the kernel can (cgroup version 2), process by
// process otherwise.
//
// It promises that it ends soon after its context does, whatever it has done by then, and that
// it is bounded in time. What it does loses nothing: a page comes back when it is touched.
package pageout

import (
	"context"
	"errors"
	"time"

	"github.com/org/vdi-operator/pkg/node/cgroup"
)

const (
	// atMost bounds one container's paging out: a swap on a slow disk writes some GiB in that time.
	atMost = 2 * time.Minute
	// step is how much the kernel is asked for at once: a thaw is looked for after each.
	step = 16 << 20
	// leave is what is left alone: a kernel's own memory for a container's processes cannot go.
	leave = 1 << 20
	// fruitless is how often in a row the kernel may find nothing.
	fruitless = 2
)

// Run pages a container out. It returns by how much less is in memory than before, in bytes,
// also where it did not come to its end. A container that ends meanwhile is no failure.
func Run(ctx context.Context, c cgroup.Container) (out uint64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, nil)
	defer cancel()
	before, usedErr := c.MemoryUsed()
	if c.CanReclaim() {
		err = reclaim(ctx, c)
	} else {
		err = processes(ctx, c)
	}
	if ctx.Err() != nil || errors.Is(err, cgroup.ErrNone) {
		err = nil // enough is done
	}
	after, afterErr := c.MemoryUsed()
	if usedErr = errors.Join(usedErr, afterErr); usedErr != nil || after > before {
		return 0, err // what is not counted may be paged out all the same
	}
	return before - after, err
}

func reclaim(ctx context.Context, c cgroup.Container) error {
	for without := 0; without < fruitless && ctx.Err() == nil; {
		used, err := c.MemoryUsed()
		if err != nil || used <= leave {
			return err
		}
		all, err := c.Reclaim(min(used-leave, step))
		if err != nil {
			return err
		}
		without++
		if now, err := c.MemoryUsed(); all || err == nil && now+leave < used {
			without = 0
		}
	}
	return nil
}
