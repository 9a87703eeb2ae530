// Package process starts programs for benchmarks and reads what they cost: memory
// from /proc, processor time from the process's own clock. Linux only.
//
// It ends exactly what it started.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endWithin is how long a program may take to end after SIGTERM.
const endWithin = 5 * time.Second

// Process is a running program, ours or somebody else's.
type Process struct {
	PID int
	// end is set for a program that was started here.
	end   context.CancelFunc
	ended chan struct{}
	cmd   *exec.Cmd
	log   *bytes.Buffer
}

// Start runs a program until End or until ctx ends. What it says on stderr is kept
// for End.
func Start(ctx context.Context, env []string, name string, args ...string) (*Process, error) {
	return StartTo(ctx, nil, env, name, args...)
}

// StartTo is Start with what the program says on stderr written to log; nil keeps it for End.
func StartTo(ctx context.Context, log io.Writer, env []string, name string, args ...string) (*Process, error) {
	ctx, end := context.WithCancel(ctx)
	p := &Process{end: end, ended: make(chan struct{}), cmd: exec.CommandContext(ctx, name, args...), log: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), env...)
	if p.cmd.Stderr = p.log; log != nil {
		p.cmd.Stderr = log
	}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = endWithin
	// A benchmark that is killed takes its programs along.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// Ended is closed when a program that was started here has ended, by End or by itself.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// End ends a program that was started here and returns what it said on stderr.
func (p *Process) End() string {
	p.end()
	<-p.ended
	return p.log.String()
}

// Resident is the process's resident memory, in bytes.
func (p *Process) Resident() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
	if err != nil {
		return 0, err
	}
	return p.bytes(raw, "Rss:")
}

// Peak is the most resident memory that the process has had since it started, or since
// ForgetPeak; in bytes.
func (p *Process) Peak() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, err
	}
	return p.bytes(raw, "VmHWM:")
}

// ForgetPeak begins Peak anew: proc(5), clear_refs.
func (p *Process) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID), []byte("5"), 0)
}

// bytes is the value of a line of /proc such as "Rss: 1024 kB".
func (p *Process) bytes(raw []byte, name string) (int64, error) {
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", p.PID, name)
}

// CPU is the processor time that the process has used since it started.
func (p *Process) CPU() (time.Duration, error) {
	// A process's own clock, to the nanosecond: include/linux/posix-timers.h,
	// MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED.
	const cpuclockSched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID<<3|cpuclockSched), &t); err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", p.PID, err)
	}
	return time.Duration(t.Nano()), nil
}

// Children are the processes that this one started.
func (p *Process) Children() ([]*Process, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	if err != nil {
		return nil, err
	}
	var children []*Process
	for _, field := range strings.Fields(string(raw)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		children = append(children, &Process{PID: pid})
	}
	return children, nil
}

// InContainer finds the one process of a container on this machine by its control
// group, which carries the container's ID.
func InContainer(id string) (*Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, err := os.Open(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			continue // it has ended
		}
		line, _ := bufio.NewReader(f).ReadString(0)
		_ = f.Close()
		if strings.Contains(line, id) {
			return &Process{PID: pid}, nil
		}
	}
	return nil, fmt.Errorf("container %s has no process on this machine: is its node another one?", id)
}
