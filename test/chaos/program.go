package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

// restartAfter is how long a program that ended is away, as kubelet lets it be at first.
const restartAfter = 300 * time.Millisecond

// callWithin bounds a call to the API server, which may be away.
const callWithin = 2 * time.Second

// Program is a program that is started anew when it ends, until Stop.
type Program struct {
	// Name is its in the log and in Health.
	Name string

	health *Health
	// start starts it and says where it is.
	start func(context.Context) (*process.Process, string, error)

	mu sync.Mutex
	// All that follows is guarded by mu. well says that it runs and is not paused; paused
	// counts who has paused it.
	process *process.Process
	address string
	well    bool
	paused  int
	// starts is how often it was started.
	starts int

	stop  context.CancelFunc
	ended chan struct{}
}

// Start starts the program, keeps it running until Stop, and returns when it is ready.
func (p *Program) Start(ctx context.Context) error {
	ctx, p.stop = context.WithCancel(ctx)
	p.ended = make(chan struct{})
	if err := p.run(ctx); err != nil {
		p.stop()
		close(p.ended)
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	go p.keep(ctx)
	return nil
}

func (p *Program) run(ctx context.Context) error {
	running, address, err := p.start(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process, p.address, p.well = running, address, true
	p.starts++
	return nil
}

func (p *Program) keep(ctx context.Context) {
	defer close(p.ended)
	for {
		select {
		case <-ctx.Done():
			p.signal(syscall.SIGCONT)
			p.process.End()
			return
		case <-p.process.Ended():
		}
		well := p.health.Ill(p.Name)
		p.mu.Lock()
		p.well = false
		p.mu.Unlock()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(restartAfter):
			}
			if p.run(ctx) == nil {
				break
			}
		}
		well()
	}
}

// Stop ends the program for good.
func (p *Program) Stop() {
	if p.stop != nil {
		p.stop()
		<-p.ended
	}
}

func (p *Program) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return
	}
	select {
	case <-p.process.Ended(): // its number may be somebody else's by now
	default:
		_ = syscall.Kill(p.process.PID, s)
	}
}

// Kill takes the program away at once.
func (p *Program) Kill() { p.signal(syscall.SIGKILL) }

// Terminate asks the program to end.
func (p *Program) Terminate() { p.signal(syscall.SIGTERM) }

// Pause stops the program, and lets it go on after a while.
func (p *Program) Pause(ctx context.Context, d time.Duration) {
	well := p.health.Ill(p.Name)
	p.mu.Lock()
	p.paused++
	p.mu.Unlock()
	p.signal(syscall.SIGSTOP)
	go func() {
		defer well()
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
		p.mu.Lock()
		p.paused--
		again := p.paused == 0
		p.mu.Unlock()
		if again {
			p.signal(syscall.SIGCONT)
		}
	}()
}

// At is where the program is, and whether it is well.
func (p *Program) At() (address string, well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address, p.well && p.paused == 0
}

// Running is the process, and how often it was started.
func (p *Program) Running() (*process.Process, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process, p.starts
}

// AwaitWell waits until the program runs and nobody has paused it.
func (p *Program) AwaitWell(ctx context.Context) error {
	return eventually.Wait(ctx, p.Name, func() error {
		if _, well := p.At(); !well {
			return errors.New("it does not run")
		}
		return nil
	})
}

// takeOverAPI makes the API server, which envtest has started, a program like the others: it
// ends this one, which is a child of this process, and starts it as it was.
func (w *World) takeOverAPI(ctx context.Context) error {
	pid, err := childOf(os.Getpid(), apiServer)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return err
	}
	args := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	w.API = w.program(apiServer, func(ctx context.Context, log *os.File) (*process.Process, string, error) {
		p, err := process.StartTo(ctx, log, nil, args[0], args[1:]...)
		if err != nil {
			return nil, "", err
		}
		if err := replica.Await(ctx, apiServer, func() error { return w.answers(ctx) }); err != nil {
			p.End()
			return nil, "", err
		}
		return p, "", nil
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	err = replica.Await(ctx, "the end of "+apiServer, func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			return errors.New("it runs")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.API.Start(ctx)
}

// answers says whether the API server does.
func (w *World) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	return w.Client().Get(ctx, client.ObjectKey{Name: replica.Namespace}, &corev1.Namespace{})
}

// childOf is the child of that name that a process has; never anybody else's.
func childOf(parent int, name string) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid: proc(5); comm is cut to 15 bytes.
		comm, rest, _ := strings.Cut(string(raw), ") ")
		_, comm, _ = strings.Cut(comm, "(")
		fields := strings.Fields(rest)
		if comm == name[:min(len(name), 15)] && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			return strconv.Atoi(e.Name())
		}
	}
	return 0, fmt.Errorf("%s is no child of this process", name)
}
