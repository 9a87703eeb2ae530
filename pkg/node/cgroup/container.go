package cgroup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is the pause between two looks at whether all processes have stopped, or go on.
	lookEvery = 500 * time.Microsecond
	// runsWithin bounds the thaw after a freeze that failed, which takes a fraction of a millisecond.
	runsWithin = 2 * time.Second
	// maxPIDs and maxBelow bound what is read of one container: its processes, and the cgroups
	// that it made itself.
	maxPIDs  = 20_000
	maxBelow = 1_000
)

// ErrEmpty says that a container's cgroup has no process: it ended, or its processes are
// elsewhere, as those of a runtime with virtual machines are.
var ErrEmpty = errors.New("the container's cgroup has no process")

// Container is a container's cgroup.
type Container struct {
	ID   string
	root *Root
	// path is relative to each hierarchy: runtimes use one for all.
	path string
}

func (c Container) file(name string) string { return filepath.Join(c.root.tree, c.path, name) }

// write goes without os.File, which takes EAGAIN for a word to wait: cgroups' files can be polled, and
// are never heard of again.
func (c Container) write(name, value string) error {
	fd, err := again(func() (int, error) { return unix.Open(c.file(name), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) })
	if err == nil {
		_, err = again(func() (int, error) { return unix.Write(fd, []byte(value)) })
		_ = unix.Close(fd)
	}
	if err != nil {
		return gone(&fs.PathError{Op: "writing", Path: c.file(name), Err: err})
	}
	return nil
}

// again asks the kernel once more where a signal came first.
func again(ask func() (int, error)) (n int, err error) {
	for {
		if n, err = ask(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Frozen says whether all of the container's processes are stopped.
func (c Container) Frozen() (bool, error) {
	if !c.root.unified {
		state, err := os.ReadFile(c.file("freezer.state"))
		return strings.TrimSpace(string(state)) == "FROZEN", gone(err)
	}
	events, err := os.ReadFile(c.file("cgroup.events"))
	return bytes.Contains(events, []byte("frozen 1")), gone(err)
}

// Told says whether the container was told to freeze, though its processes may not have stopped yet,
// and never do while one of them waits for a disk that does not answer.
func (c Container) Told() (bool, error) {
	name := "freezer.self_freezing"
	if c.root.unified {
		name = "cgroup.freeze"
	}
	told, err := os.ReadFile(c.file(name))
	return strings.TrimSpace(string(told)) == "1", gone(err)
}

// Freeze returns when all of the container's processes are stopped; where that fails, or ctx
// ends first, they run again.
func (c Container) Freeze(ctx context.Context) error {
	pids, err := c.PIDs()
	switch {
	case err != nil:
		return err
	case len(pids) == 0:
		return ErrEmpty
	}
	err = c.set(ctx, true)
	if err != nil && !errors.Is(err, ErrNone) {
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), runsWithin)
		defer cancel()
		err = errors.Join(err, c.set(again, false))
	}
	return err
}

// Thaw returns when the container's processes run.
func (c Container) Thaw(ctx context.Context) error { return c.set(ctx, false) }

// set writes what is wanted until it is so: version 1 may need it again, for processes that were
// made meanwhile (Linux, Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
func (c Container) set(ctx context.Context, frozen bool) error {
	name, value, what := "freezer.state", "THAWED", "thawing"
	switch {
	case c.root.unified && frozen:
		name, value, what = "cgroup.freeze", "1", "freezing"
	case c.root.unified:
		name, value = "cgroup.freeze", "0"
	case frozen:
		value, what = "FROZEN", "freezing"
	}
	for {
		if err := c.write(name, value); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		is, err := c.Frozen()
		if err != nil || is == frozen {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case <-time.After(lookEvery):
		}
	}
}

// PIDs are the container's processes, as the program's own PID namespace numbers them; 0 is one
// that it does not see.
func (c Container) PIDs() (all []int, err error) {
	below := 0
	err = filepath.WalkDir(c.file(""), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		if !e.IsDir() {
			return nil
		}
		if below++; below > maxBelow {
			return fmt.Errorf("the container has more than %d cgroups of its own", maxBelow)
		}
		all, err = appendPIDs(all, filepath.Join(path, "cgroup.procs"))
		if below > 1 && errors.Is(err, ErrNone) {
			return nil
		}
		return err
	})
	return all, err
}

func appendPIDs(all []int, path string) ([]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return all, gone(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return all, fmt.Errorf("%s: %w", path, err)
		}
		if len(all) == maxPIDs {
			return all, fmt.Errorf("the container has more than %d processes", maxPIDs)
		}
		all = append(all, pid)
	}
	// A threaded cgroup's processes are those of the one above it.
	if err := lines.Err(); !errors.Is(err, unix.EOPNOTSUPP) {
		return all, gone(err)
	}
	return all, nil
}

// MemoryUsed is what the container has in memory, in bytes, its files' pages included.
func (c Container) MemoryUsed() (uint64, error) {
	name := "memory.usage_in_bytes"
	if c.root.unified {
		name = "memory.current"
	}
	raw, err := os.ReadFile(filepath.Join(c.root.memory, c.path, name))
	if err != nil {
		return 0, gone(err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
}

// CanReclaim says whether the kernel pages out a cgroup as a whole: version 2's does since Linux 5.19.
func (c Container) CanReclaim() bool {
	if !c.root.unified {
		return false
	}
	_, err := os.Stat(c.file("memory.reclaim"))
	return err == nil
}

// Reclaim makes the kernel take so many bytes from the container, where it can; false where it
// found less, as without swap.
func (c Container) Reclaim(bytes uint64) (all bool, err error) {
	err = c.write("memory.reclaim", strconv.FormatUint(bytes, 10))
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	return err == nil, err
}
