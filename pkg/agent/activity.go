package agent

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
)

const (
	// readingsPerReport is how often the displays are read between two reports.
	readingsPerReport = 3
	// leastReportEvery bounds how often an activator can make the agent report.
	leastReportEvery = time.Second
	// sameInput is how far two readings of one input's time may differ.
	sameInput = 250 * time.Millisecond
)

// input is what is known of the displays' last input.
type input struct {
	displays map[string]*watched
	// last is when somebody last typed since the displays were first read; zero is
	// not yet. An X server's clock starts when it does, and that is no input.
	last time.Time
	// logged says that a display could not be read, and the log says so.
	logged bool
}

type watched struct {
	*display
	last time.Time
}

// noInput is reported for displays at which nobody has typed yet: from then on an
// activator knows that input would be seen.
const noInput = math.MaxUint32 * time.Millisecond

// reportActivity reports to an activator that it watches the desktop's displays, then
// input at them, and nothing while nobody types.
func (a *Agent) reportActivity(ctx context.Context) {
	in := &input{displays: map[string]*watched{}}
	defer in.close()
	var reported, at time.Time
	watches := false
	for every := agentapi.ReportEvery; sleep(ctx, every/readingsPerReport); {
		a.read(in)
		typed, begins := in.last.Sub(reported) > sameInput, !watches && len(in.displays) > 0
		if !typed && !begins || time.Since(at) < every {
			continue
		}
		at = time.Now()
		idle := noInput
		if typed {
			idle = at.Sub(in.last)
		}
		if next, ok := a.reportInput(ctx, idle); ok {
			reported, every, watches = in.last, next, true
		}
	}
}

// read reads the clocks of all displays.
func (a *Agent) read(in *input) {
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
				if !in.logged {
					a.Log.Info("input at a display cannot be seen; only pages report it", "error", err)
					in.logged = true
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

// reportInput reports to the first activator that takes it, and returns how soon the next
// report may follow.
func (a *Agent) reportInput(ctx context.Context, idle time.Duration) (every time.Duration, ok bool) {
	a.mu.Lock()
	peers := a.peers
	a.mu.Unlock()
	report := agentapi.Activity{Pod: a.Pod, IdleMilliseconds: uint32(min(max(idle.Milliseconds(), 0), math.MaxUint32))}
	for _, p := range peers {
		answer, err := a.post(ctx, p, agentapi.ActivityPath, report)
		if err == nil {
			return nextReport(answer.Get(agentapi.ReportEveryHeader)), true
		}
		a.Log.Info("an activator did not take a report of input", "activator", p.String(), "error", err)
	}
	return 0, false
}

// nextReport parses the pause that an activator asks for, within bounds.
func nextReport(wish string) time.Duration {
	every, err := time.ParseDuration(wish)
	if err != nil {
		return agentapi.ReportEvery
	}
	return min(max(every, leastReportEvery), agentapi.ReportEvery)
}
