package agent

import (
	"context"
	"net"
	"strconv"
	"time"
)

const (
	// eagerPause, steadyPause and lazyPause are the pauses between two probes of the
	// desktop's port: while it starts, when that takes long, and once it listens. A probe
	// costs some 100 µs.
	eagerPause, eagerFor   = 3 * time.Millisecond, 10 * time.Second
	steadyPause, steadyFor = 20 * time.Millisecond, 5 * time.Minute
	lazyPause              = time.Second
)

// watchPort keeps current whether the port listens, until ctx ends.
func (a *Agent) watchPort(ctx context.Context) {
	kernel, err := openSockDiag()
	silent := err == nil
	if silent {
		defer kernel.close()
	}
	began, now := time.Now(), false
	for {
		is := false
		if silent {
			is, err = a.listens(kernel)
			silent = err == nil
		}
		if !silent {
			if err != nil {
				a.Log.Info("the kernel does not list its sockets; the agent dials the desktop's port instead", "error", err)
				err = nil
			}
			is = a.accepts()
		}
		if is != now {
			now = is
			a.change(func(s *state) { s.listening = now })
		}
		pause := lazyPause
		switch waited := time.Since(began); {
		case now && !silent:
			return // a desktop would notice each attempt
		case now:
		case waited < eagerFor:
			pause = eagerPause
		case waited < steadyFor:
			pause = steadyPause
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// listens asks the kernel whether a socket of this network namespace listens on the
// desktop's port where others can reach it.
func (a *Agent) listens(kernel *sockDiag) (bool, error) {
	listeners, err := kernel.listeners(a.DesktopPort)
	for _, addr := range listeners {
		if !addr.IsLoopback() {
			return true, nil
		}
	}
	return false, err
}

// accepts dials the port.
func (a *Agent) accepts() bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("localhost", strconv.Itoa(int(a.DesktopPort))), connectTimeout)
	return err == nil && conn.Close() == nil
}
