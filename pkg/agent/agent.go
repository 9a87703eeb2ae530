// Package agent is the program beside a desktop, in the same pod. It announces to every
// activator where the pod is as soon as it runs, and that the desktop's port accepts as
// soon as it does, up to a second before the API server knows either; it reports to
// one of them when somebody last typed at the desktop's display; and it stands in for a viewer
// that is still to come, see package standin.
//
// It promises that it needs no right but its token, that it repeats nothing without need,
// and that the desktop never depends on it. It reads what the pod's network namespace shows
// in /proc, and changes nothing.
package agent

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/org/vdi-operator/pkg/agent/standin"
)

// Options are what an agent needs to know; all are required.
type Options struct {
	// Activators finds the address of each replica; see ByService.
	Activators func(context.Context) ([]netip.AddrPort, error)
	// Pod is the pod's name.
	Pod string
	// Token is the agent's, for the session of its pod.
	Token string
	// DesktopPort is where the desktop listens.
	DesktopPort uint16
	// BehindPort is where a Selkies 1.6 may listen behind its image's nginx; 0 is nowhere.
	BehindPort uint16
	// Proc is where the proc file system is mounted.
	Proc string
	Log  *slog.Logger
}

// Agent announces one pod.
type Agent struct {
	Options
	client *http.Client

	mu sync.Mutex
	// is what is announced; changed is closed when that changes.
	is      state
	changed chan struct{}
	// peers are the activators as they were last found.
	peers []peer
}

// state is what there is to announce of a pod.
type state struct {
	// listening is whether the desktop's port accepts.
	listening bool
	// port is where orders to stand in are taken, 0 for nowhere; standsIn whether a place can be
	// taken.
	port     uint16
	standsIn bool
}

// New makes an agent.
func New(o Options) *Agent {
	return &Agent{Options: o, client: newClient(), changed: make(chan struct{})}
}

// Run announces the pod until ctx ends, and then passes on what passes through it until that ends.
func (a *Agent) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(a.takeOrders(ctx))
	running.Go(func() { a.watchPort(ctx) })
	running.Go(func() { a.announce(ctx) })
	running.Go(func() { a.reportActivity(ctx) })
	running.Wait()
	a.client.CloseIdleConnections()
}

// change changes what is announced.
func (a *Agent) change(set func(*state)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.is
	if set(&a.is); a.is != before {
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// takeOrders begins to take orders to stand in, until ctx ends; the function that it returns serves
// them. What can be reached at its port is the desktop's, which is as open.
func (a *Agent) takeOrders(ctx context.Context) (serve func()) {
	l, err := net.Listen("tcp", ":0") //nolint:gosec // activators come from outside
	if err != nil {
		a.Log.Error("the agent has no port of its own, and stands in for no viewer", "error", err)
		return func() {}
	}
	ports := []uint16{a.DesktopPort}
	if a.BehindPort != 0 {
		ports = []uint16{a.BehindPort, a.DesktopPort}
	}
	a.is.port = uint16(l.Addr().(*net.TCPAddr).Port)
	k := standin.New(standin.Options{Ports: ports, Log: a.Log,
		Standing: func(is bool) { a.change(func(s *state) { s.standsIn = is }) }})
	return func() { k.Serve(ctx, l) }
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
