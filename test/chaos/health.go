package chaos

import (
	"context"
	"sync"
	"time"
)

const (
	// apiServer and machine are whose health counts for all. The machine is not well while the
	// test itself has to wait for a processor.
	apiServer = "kube-apiserver"
	machine   = "machine"
	// lagging is how much later than asked a pause may end.
	lagging, lookEvery = 700 * time.Millisecond, 100 * time.Millisecond
)

// Health is when programs were well.
type Health struct {
	mu      sync.Mutex
	outages map[string][]outage
}

// outage is a time in which a program was not well; its end is zero while it lasts.
type outage struct{ from, to time.Time }

// NewHealth says that all are well.
func NewHealth() *Health { return &Health{outages: map[string][]outage{}} }

// Ill notes that a program is not well; the returned function notes that it is again.
func (h *Health) Ill(who string) (well func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.outages[who])
	h.outages[who] = append(h.outages[who], outage{from: time.Now()})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if o := &h.outages[who][i]; o.to.IsZero() {
			o.to = time.Now()
		}
	}
}

// WellSince is since when all of these have been well at a time: that time itself where one of
// them was not.
func (h *Health) WellSince(at time.Time, who ...string) (since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range who {
		for _, o := range h.outages[name] {
			switch {
			case o.from.After(at):
			case o.to.IsZero() || o.to.After(at):
				return at
			case o.to.After(since):
				since = o.to
			}
		}
	}
	return since
}

// watchMachine notes when this machine has no processor for us, until ctx ends.
func (h *Health) watchMachine(ctx context.Context) {
	for last := time.Now(); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
		now := time.Now()
		if now.Sub(last) > lookEvery+lagging {
			h.Ill(machine)()
		}
		last = now
	}
}
