package wake

import (
	"maps"
	"sync"
	"time"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Timeline is when each stage of the latest cold start was seen.
type Timeline struct {
	mu        sync.Mutex
	requested time.Time
	seen      map[metrics.Stage]time.Time
	over      bool
	trace     traced
	observe   func(metrics.Stage, time.Duration)
}

// Stamps is a copy of a timeline: the visitor's request and each stage seen.
type Stamps struct {
	Requested time.Time
	Seen      map[metrics.Stage]time.Time
}

// begin starts a new cold start at the visitor's request, and its trace, unless that is
// the request for which a wake was to be written before.
func (t *Timeline) begin(at time.Time, trace func() traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.trace.open() || !t.requested.Equal(at) {
		t.trace.end()
		t.trace = trace()
	}
	t.requested, t.seen, t.over = at, map[metrics.Stage]time.Time{}, false
}

// end says that everybody left: who comes later did not wait for this start.
func (t *Timeline) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.trace.end()
}

// traceparent is the trace of the cold start under way, empty where it is not traced.
func (t *Timeline) traceparent() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trace.parent()
}

// Mark stamps a stage, once per cold start; without one under way it does nothing.
func (t *Timeline) Mark(stage metrics.Stage, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil || t.over {
		return
	}
	if _, seen := t.seen[stage]; seen {
		return
	}
	t.seen[stage] = at
	t.trace.mark(stage, at)
	t.observe(stage, at.Sub(t.requested))
}

// markPod stamps what a pod's state shows.
func (t *Timeline) markPod(p *directory.Pod, at time.Time) {
	if p == nil {
		return
	}
	for _, s := range []struct {
		stage metrics.Stage
		seen  bool
	}{
		{metrics.StageScheduled, p.Scheduled}, {metrics.StageAnnounced, p.Announced},
		{metrics.StageStarted, p.Started}, {metrics.StageAddress, p.IP != ""},
	} {
		if s.seen {
			t.Mark(s.stage, at)
		}
	}
}

// Stamps returns a copy.
func (t *Timeline) Stamps() Stamps {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stamps{Requested: t.requested, Seen: maps.Clone(t.seen)}
}
