// Package wake turns visits into activity: it writes the record that wakes a desktop,
// keeps it current while anybody is connected, and writes when the last one left.
//
// With those writes it says who is connected. Those who only look wake nothing and keep nothing
// awake: while nobody else is connected here, a write each reportEvery says that they are there.
//
// It promises that the number of its writes does not grow with the number of
// connections. It does not decide who may wake, nor when a desktop sleeps, and package
// record knows how a write is made.
package wake

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Writer moves a session's activity forward.
type Writer interface {
	WriteActivity(ctx context.Context, key types.NamespacedName, a record.Activity) error
}

// Tracker writes activity for all sessions of this replica.
type Tracker struct {
	// Tracer starts the trace of each wake; none does by default. Set it before use.
	Tracer trace.Tracer

	ctx context.Context
	// replica is this one's name in what it says of who is connected.
	replica string
	dir     *directory.Directory
	writer  Writer
	metrics *metrics.Activator
	log     *slog.Logger

	mu       sync.Mutex
	sessions map[types.NamespacedName]*visited
	running  sync.WaitGroup
}

// visited is a session that somebody visited; the tracker's lock guards everything but the
// timeline.
type visited struct {
	presence
	// people are those who are connected.
	people   map[person]*stay
	timeline Timeline
	// typed is the last input that was reported, watched when something last said that it
	// sees input; reached is when the desktop was last reported as reached, spoke when a
	// protocol was.
	typed, watched, reached, spoke time.Time
	// kept says that a writer runs; poke wakes it when somebody came or left.
	kept bool
	poke chan struct{}
}

// NewTracker makes a tracker whose writers end with ctx.
func NewTracker(ctx context.Context, dir *directory.Directory, w Writer, m *metrics.Activator, log *slog.Logger) *Tracker {
	return &Tracker{Tracer: noop.Tracer{}, ctx: ctx, replica: rand.Text()[:10], dir: dir, writer: w, metrics: m, log: log,
		sessions: map[types.NamespacedName]*visited{}}
}

// Enter counts a connection that waits for the session's desktop, and wakes the desktop
// when it sleeps or dozes. The session is as it was at the visitor's admission: a later sleep is
// not the one that this visit ends. Leave must be called.
func (t *Tracker) Enter(s *v1alpha1.VDISession) *Visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enter(s, time.Now())
}

// enter is Enter; the caller holds the lock.
func (t *Tracker) enter(s *v1alpha1.VDISession, now time.Time) *Visit {
	key, rested := client.ObjectKeyFromObject(s), lifecycle.Rested(s)
	v := t.of(key)
	v.connections++
	v.waiting++
	if !v.came || rested.After(v.rested) {
		v.came, v.rested, v.asked = true, rested, now
	}
	t.start(key, v)
	return &Visit{tracker: t, session: key, slept: lifecycle.Slept(s), state: v}
}

// start has a session's writer see who came; the caller holds the lock.
func (t *Tracker) start(key types.NamespacedName, v *visited) {
	if !v.kept && t.ctx.Err() == nil {
		v.kept = true
		t.running.Go(func() { t.keep(key, v) })
	}
	v.nudge()
}

// of returns what is kept of a session; the caller holds the lock.
func (t *Tracker) of(key types.NamespacedName) *visited {
	v := t.sessions[key]
	if v == nil {
		v = &visited{people: map[person]*stay{}, poke: make(chan struct{}, 1)}
		v.timeline.observe = func(s metrics.Stage, d time.Duration) {
			t.metrics.ColdStart.WithLabelValues(string(s)).Observe(d.Seconds())
		}
		t.sessions[key] = v
	}
	return v
}

// Timeline is the session's latest cold start as this replica saw it.
func (t *Tracker) Timeline(key types.NamespacedName) Stamps {
	t.mu.Lock()
	v := t.sessions[key]
	t.mu.Unlock()
	if v == nil {
		return Stamps{}
	}
	return v.timeline.Stamps()
}

// Forget drops what is kept of a deleted session that nobody is connected to.
func (t *Tracker) Forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.sessions[key]; v != nil && !v.kept {
		delete(t.sessions, key)
	}
}

// Wait returns when the last writer has ended; call it after the tracker's context
// is done.
func (t *Tracker) Wait() {
	// Who enters from now on sees that the context is done, and starts none.
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // the lock is a barrier
	t.running.Wait()
}

// nudge asks the writer for its next step; the caller holds the lock.
func (v *visited) nudge() {
	select {
	case v.poke <- struct{}{}:
	default:
	}
}
