package agent

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
)

const (
	// lookAtDisplaysEvery is how late input is noticed, at most.
	lookAtDisplaysEvery = 5 * time.Second
	// reportEvery is the least pause between two reports of input.
	reportEvery = 15 * time.Second
	// sameInput is how far two readings of one input's time may differ.
	sameInput = 250 * time.Millisecond
)

// input is what is known of the displays' last input.
type input struct {
	displays map[string]*watched
	// last is when anybody last typed, as far as anybody did since the displays were
	// first looked at; zero is not yet. An X server's clock starts when it does, and
	// that is no input.
	last time.Time
	// complained keeps the log short.
	complained bool
}

type watched struct {
	*display
	last time.Time
}

// reportActivity tells an activator of input at the desktop's displays, and only of
// that: who does not type costs nothing.
func (a *Agent) reportActivity(ctx context.Context) {
	in := &input{displays: map[string]*watched{}}
	defer in.close()
	var told, at time.Time
	for sleep(ctx, lookAtDisplaysEvery) {
		a.look(in)
		if in.last.Sub(told) <= sameInput || time.Since(at) < reportEvery {
			continue
		}
		at = time.Now()
		if a.reportInput(ctx, at.Sub(in.last)) {
			told = in.last
		}
	}
}

// look reads the clocks of all displays.
func (a *Agent) look(in *input) {
	found := sockets(a.Proc)
	for name, d := range in.displays {
		if !slices.Contains(found, name) {
			d.close()
			delete(in.displays, name)
		}
	}
	for _, name := range found {
		d, known := in.displays[name]
		if !known {
			opened, err := openDisplay(name)
			if err != nil {
				if !in.complained {
					a.Log.Info("input at a display cannot be seen; only pages report it", "error", err)
					in.complained = true
				}
				continue
			}
			d = &watched{display: opened}
			in.displays[name] = d
		}
		idle, err := d.idle()
		if err != nil {
			d.close()
			delete(in.displays, name)
			continue
		}
		last := time.Now().Add(-idle)
		if known && last.Sub(d.last) > sameInput && last.After(in.last) {
			in.last = last
		}
		d.last = last
	}
}

func (in *input) close() {
	for _, d := range in.displays {
		d.close()
	}
}

// reportInput tells the first activator that takes it.
func (a *Agent) reportInput(ctx context.Context, idle time.Duration) bool {
	a.mu.Lock()
	peers := a.peers
	a.mu.Unlock()
	report := agentapi.Activity{Pod: a.Pod, IdleMilliseconds: uint32(min(max(idle.Milliseconds(), 0), math.MaxUint32))}
	for _, p := range peers {
		err := a.post(ctx, p, agentapi.ActivityPath, report)
		if err == nil {
			return true
		}
		a.Log.Info("an activator did not take a report of input", "activator", p.String(), "error", err)
	}
	return false
}
