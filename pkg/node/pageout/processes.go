package pageout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/org/vdi-operator/pkg/node/cgroup"
)

const (
	// adviceBytes and adviceMappings bound one call to the kernel, after which a thaw is looked
	// for: some milliseconds of work. A call takes 1024 mappings (UIO_MAXIOV) at most.
	adviceBytes    = 16 << 20
	adviceMappings = 256
)

// processes pages out every process of a container by advice to each, which needs the node's
// PID namespace, CAP_SYS_PTRACE for other users' maps, and CAP_SYS_NICE (process_madvise(2)).
func processes(ctx context.Context, c cgroup.Container) error {
	pids, err := c.PIDs()
	if err != nil {
		return err
	}
	if slices.Contains(pids, 0) {
		return errors.New("the program does not see the node's processes: it needs hostPID")
	}
	for _, pid := range pids {
		if err := process(ctx, c, pid); err != nil {
			return err
		}
	}
	return nil
}

func process(ctx context.Context, c cgroup.Container, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The number may have become another process's meanwhile; from here on fd says which is meant.
	if pids, err := c.PIDs(); err != nil || !slices.Contains(pids, pid) {
		return err
	}
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "maps"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the mappings of a process (CAP_SYS_PTRACE): %w", err)
	}
	defer func() { _ = f.Close() }()
	mappings, err := readMaps(f)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("the mappings of a process: %w", err)
	}
	return advise(ctx, fd, mappings)
}

// advise pages out mappings, a batch at a time. A mapping that cannot be paged out, such as a
// device's or a locked one, ends its batch: the next begins behind it.
func advise(ctx context.Context, fd int, mappings []mapping) error {
	rest := remaining(mappings)
	for len(rest) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		batch, size := rest.batch()
		advised, err := processMadvise(fd, batch)
		switch {
		case errors.Is(err, unix.ESRCH):
			return nil
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
			return fmt.Errorf("process_madvise (CAP_SYS_NICE, CAP_SYS_PTRACE, Linux 5.10): %w", err)
		case errors.Is(err, unix.EINTR):
			continue
		}
		rest.drop(advised)
		if advised < size {
			rest = rest[1:]
		}
	}
	return nil
}

// iovec is a piece of another process' memory (struct iovec): its address is not one of ours,
// so it is no pointer.
type iovec struct{ Base, Len uint64 }

// remaining are the mappings that are still to be paged out, of which the first may be a rest.
type remaining []mapping

// batch is what the next call is for, and how many bytes that is. A mapping may be as large as
// the address space, so it is cut.
func (r remaining) batch() (pieces []iovec, size uint64) {
	for _, m := range r[:min(len(r), adviceMappings)] {
		length := min(m.end-m.start, adviceBytes-size)
		if length == 0 {
			break
		}
		pieces, size = append(pieces, iovec{Base: m.start, Len: length}), size+length
	}
	return pieces, size
}

// drop takes so many bytes from the beginning.
func (r *remaining) drop(bytes uint64) {
	for bytes > 0 && len(*r) > 0 {
		first := &(*r)[0]
		length := min(bytes, first.end-first.start)
		first.start, bytes = first.start+length, bytes-length
		if first.start == first.end {
			*r = (*r)[1:]
		}
	}
}

// processMadvise returns how many bytes it advised on.
func processMadvise(fd int, pieces []iovec) (uint64, error) {
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(fd), uintptr(unsafe.Pointer(&pieces[0])), uintptr(len(pieces)),
		unix.MADV_PAGEOUT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return uint64(n), nil
}
