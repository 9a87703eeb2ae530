// Package process starts programs and reaps whatever ends, as the first process of a
// container must. It promises that every started program, and everything those leave
// behind, is gone when Shutdown returns. It does not know what the programs do.
//
// It waits for every child of the process, so nothing beside it may use os/exec.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec is one program to start.
type Spec struct {
	Name string   // for the log
	Args []string // Args[0] is looked up in PATH
	Env  []string // complete environment; nil means ours
	Dir  string
	// Files are the child's descriptors from 0 on; a missing 0 is /dev/null, missing 1
	// and 2 are our standard error.
	Files []*os.File
}

// Child is a started program.
type Child struct {
	Name   string
	PID    int
	done   chan struct{}
	status syscall.WaitStatus // written before done closes
}

// Done closes when the program has ended and was reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status says how the program ended. It may be read once Done is closed.
func (c *Child) Status() string {
	if c.status.Signaled() {
		return "signal " + c.status.Signal().String()
	}
	return "exit status " + strconv.Itoa(c.status.ExitStatus())
}

// Signal sends a signal to the program and all it started in its process group.
func (c *Child) Signal(sig syscall.Signal) {
	select {
	case <-c.done: // the number may belong to somebody else by now
	default:
		_ = syscall.Kill(-c.PID, sig)
	}
}

// Group owns the children of this process.
type Group struct {
	log  *slog.Logger
	null *os.File

	mu      sync.Mutex // guards running and closing, and orders starts against reaping
	running map[int]*Child
	closing bool

	stop   chan struct{}
	reaped sync.WaitGroup
}

// Own makes this process the owner of all processes below it and starts the reaper, which
// ends with Shutdown.
func Own(log *slog.Logger) (*Group, error) {
	// As pid 1 orphans come here anyway; this makes it the same outside a container.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper of orphaned processes: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	g := &Group{log: log, null: null, running: map[int]*Child{}, stop: make(chan struct{})}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	g.reaped.Go(func() {
		defer signal.Stop(ended)
		for {
			select {
			case <-ended:
				g.reap()
			case <-g.stop:
				return
			}
		}
	})
	return g, nil
}

// reap collects every process that has ended. It reports whether any is left.
func (g *Group) reap() (left bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil: // ECHILD: none left
			return false
		case pid == 0:
			return true
		}
		if c := g.running[pid]; c != nil {
			delete(g.running, pid)
			c.status = status
			close(c.done)
			g.log.Debug("ended", "program", c.Name, "pid", pid, "status", c.Status())
		}
	}
}

// Start starts a program in a process group of its own.
func (g *Group) Start(spec Spec) (*Child, error) {
	path, err := exec.LookPath(spec.Args[0])
	if err != nil {
		return nil, fmt.Errorf("start %s: %w: install the package that brings it", spec.Name, err)
	}
	files := []uintptr{g.null.Fd(), os.Stderr.Fd(), os.Stderr.Fd()}
	for i, f := range spec.Files {
		switch {
		case i >= len(files):
			files = append(files, f.Fd())
		case f != nil:
			files[i] = f.Fd()
		}
	}
	env := spec.Env
	if env == nil {
		env = os.Environ()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return nil, fmt.Errorf("start %s: shutting down", spec.Name)
	}
	pid, _, err := syscall.StartProcess(path, spec.Args, &syscall.ProcAttr{
		Dir: spec.Dir, Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s (%s): %w", spec.Name, path, err)
	}
	c := &Child{Name: spec.Name, PID: pid, done: make(chan struct{})}
	g.running[pid] = c
	return c, nil
}

// Keep starts a program again whenever it ends, after a pause, until ctx ends.
func (g *Group) Keep(ctx context.Context, spec Spec, pause time.Duration) {
	for ctx.Err() == nil {
		c, err := g.Start(spec)
		if err != nil {
			g.log.Warn("cannot start a program", "program", spec.Name, "error", err.Error())
			return
		}
		select {
		case <-c.Done():
			g.log.Info("program ended, starting it again", "program", spec.Name, "status", c.Status())
		case <-ctx.Done():
			c.Signal(syscall.SIGTERM)
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// Shutdown asks every child to end, kills what is left after grace, and returns when all
// are reaped or a further grace has passed.
func (g *Group) Shutdown(grace time.Duration) {
	g.mu.Lock()
	g.closing = true
	for pid := range g.running {
		_ = syscall.Kill(-pid, syscall.SIGTERM)
	}
	g.mu.Unlock()
	close(g.stop)
	g.reaped.Wait()

	const look = 5 * time.Millisecond
	start := time.Now()
	for g.reap() && time.Since(start) < 2*grace {
		if time.Since(start) > grace {
			g.kill()
		}
		time.Sleep(look)
	}
	_ = g.null.Close()
}

// kill kills the groups of the started programs, and single children: orphans that came
// to us from a program that left its group, such as a terminal's shell.
func (g *Group) kill() {
	g.mu.Lock()
	for pid := range g.running {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	g.mu.Unlock()
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		f, err := os.Open(list)
		if err != nil {
			continue
		}
		words := bufio.NewScanner(f)
		words.Split(bufio.ScanWords)
		for words.Scan() {
			if pid, err := strconv.Atoi(words.Text()); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = f.Close()
	}
}
