// Package agent is the program beside a desktop, in the same pod. It announces to every
// activator where the pod is as soon as it runs, and that the desktop's port accepts as
// soon as it does, up to a second before the API server knows either; and it reports to
// one of them when somebody last typed at the desktop's display.
//
// It promises that it needs no right but its token, that it repeats nothing without need,
// and that the desktop never depends on it. It reads what the pod's network namespace shows
// in /proc, and changes nothing.
package agent

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"
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
	// Proc is where the proc file system is mounted.
	Proc string
	Log  *slog.Logger
}

// Agent announces one pod.
type Agent struct {
	Options
	client *http.Client

	mu sync.Mutex
	// listening is whether the desktop's port accepts; changed is closed when that
	// changes.
	listening bool
	changed   chan struct{}
	// peers are the activators as they were last found.
	peers []peer
}

// New makes an agent.
func New(o Options) *Agent {
	return &Agent{Options: o, client: newClient(), changed: make(chan struct{})}
}

// Run announces the pod until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { a.watchPort(ctx) })
	running.Go(func() { a.announce(ctx) })
	running.Go(func() { a.reportActivity(ctx) })
	running.Wait()
	a.client.CloseIdleConnections()
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
