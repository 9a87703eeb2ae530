// Package wake turns visitors into activity: it writes the record that wakes a
// desktop, keeps it current while anybody is connected, and says when the last
// one left.
//
// It promises that the number of its writes does not grow with the number of
// connections. It does not decide who may wake, nor when a desktop sleeps, and package
// record knows how a write is made.
package wake

import (
	"context"
	"errors"
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

const (
	// writeTimeout bounds one write to the API server.
	writeTimeout = 10 * time.Second
	// lingerFor is how long after the last connection a session is still kept as
	// visited, so that a page's many short requests are one visit.
	lingerFor = 3 * time.Second
	// retryAfter is the pause after a write that failed.
	retryAfter = 500 * time.Millisecond
	// echoWithin is how long a wake that was written may take to come back by the
	// watch. It is written again then: another replica's late write may have taken
	// its place.
	echoWithin = 5 * time.Second
)

// Writer moves a session's activity forward.
type Writer interface {
	WriteActivity(ctx context.Context, key types.NamespacedName, a record.Activity) error
}

// Tracker writes activity for all sessions of this replica.
type Tracker struct {
	// Tracer begins the trace of each wake; none does by default. Set it before use.
	Tracer trace.Tracer

	ctx     context.Context
	dir     *directory.Directory
	writer  Writer
	metrics *metrics.Activator
	log     *slog.Logger
	now     func() time.Time

	mu       sync.Mutex
	sessions map[types.NamespacedName]*visited
	running  sync.WaitGroup
}

// visited is a session that somebody visited; everything but the timeline is
// guarded by the tracker's lock.
type visited struct {
	timeline Timeline
	// connections counts open ones; waiting counts those of them that still wait
	// for the desktop.
	connections, waiting int
	// slept is the latest sleep that a visitor knew of when coming, asked when the
	// first such visitor came; came is false before the first of all.
	slept, asked time.Time
	came         bool
	// left is when the last visitor went, typed the last input that was reported, and
	// reached when the desktop was last reported as reached.
	left, typed, reached time.Time
	// spoke is when a protocol was last reported.
	spoke time.Time
	// kept says that a writer runs; poke tells it that one of the above changed.
	kept bool
	poke chan struct{}
}

// NewTracker makes a tracker whose writers end with ctx.
func NewTracker(ctx context.Context, dir *directory.Directory, w Writer, m *metrics.Activator, log *slog.Logger) *Tracker {
	return &Tracker{Tracer: noop.Tracer{}, ctx: ctx, dir: dir, writer: w, metrics: m, log: log, now: time.Now, sessions: map[types.NamespacedName]*visited{}}
}

// Visit is one open connection. Its methods may be called from any goroutine.
type Visit struct {
	tracker *Tracker
	session types.NamespacedName
	slept   time.Time
	state   *visited
	served  sync.Once
	left    sync.Once
}

// Enter reports a connection that waits for the session's desktop, and wakes it
// when it sleeps. The session is as it was when the visitor was let in: a sleep
// that it does not show yet is not the one to be ended. Leave must be called.
func (t *Tracker) Enter(s *v1alpha1.VDISession) *Visit {
	key, slept, now := client.ObjectKeyFromObject(s), lifecycle.Slept(s), t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.state(key)
	v.connections++
	v.waiting++
	if !v.came || slept.After(v.slept) {
		v.came, v.slept, v.asked = true, slept, now
	}
	if !v.kept && t.ctx.Err() == nil {
		v.kept = true
		t.running.Go(func() { t.keep(key, v) })
	}
	v.nudge()
	return &Visit{tracker: t, session: key, slept: slept, state: v}
}

// state returns what is kept of a session; the caller holds the lock.
func (t *Tracker) state(key types.NamespacedName) *visited {
	v := t.sessions[key]
	if v == nil {
		v = &visited{poke: make(chan struct{}, 1)}
		v.timeline.observe = func(s metrics.Stage, d time.Duration) {
			t.metrics.ColdStart.WithLabelValues(string(s)).Observe(d.Seconds())
		}
		t.sessions[key] = v
	}
	return v
}

// Slept is the last sleep that the visitor knew of when coming; see probe.Visit.
func (v *Visit) Slept() time.Time { return v.slept }

// Mark stamps a stage of the cold start under way, if there is one.
func (v *Visit) Mark(stage metrics.Stage) { v.state.timeline.Mark(stage, v.tracker.now()) }

// Served says that the connection no longer waits: should the desktop be put to
// sleep by a clock now, this connection does not wake it again.
func (v *Visit) Served() {
	v.served.Do(func() {
		v.tracker.mu.Lock()
		v.state.waiting--
		v.tracker.mu.Unlock()
	})
}

// Leave ends the visit.
func (v *Visit) Leave() {
	v.Served()
	v.left.Do(func() {
		v.tracker.mu.Lock()
		defer v.tracker.mu.Unlock()
		if v.state.connections--; v.state.connections == 0 {
			v.state.left = v.tracker.now()
			v.state.nudge()
		}
	})
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

// Input reports that somebody typed or moved the pointer at that time, which is no
// later than now. A report that comes soon after another one is not written, nor one
// from before the desktop woke: a display's clock may be older than the desktop's use.
func (t *Tracker) Input(ctx context.Context, s *v1alpha1.VDISession, at time.Time) error {
	key, every := client.ObjectKeyFromObject(s), writeInputEvery(s)
	if now := t.now(); at.After(now) {
		at = now
	}
	if began := s.Status.StartTime; began == nil || at.Before(began.Time) {
		return nil
	}
	t.mu.Lock()
	v := t.state(key)
	before := v.typed
	if !before.IsZero() && at.Sub(before) < every {
		t.mu.Unlock()
		return nil
	}
	v.typed = at
	t.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	// Who typed was connected, whatever became of the connection that we saw.
	err := t.writer.WriteActivity(ctx, key, record.Activity{Connected: at, Input: at})
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if v.typed.Equal(at) {
			v.typed = before
		}
	}
	return err
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
	// Whoever enters now sees that the context is done, and starts none.
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // the lock is a barrier
	t.running.Wait()
}

// nudge tells the writer to look again; the caller holds the lock.
func (v *visited) nudge() {
	select {
	case v.poke <- struct{}{}:
	default:
	}
}

// keep writes one session's activity from its first connection until lingerFor
// after its last.
func (t *Tracker) keep(key types.NamespacedName, v *visited) {
	log := t.log.With("namespace", key.Namespace, "session", key.Name)
	var reported, retry time.Time
	var wake written
	for {
		view, ok := t.dir.View(key)
		if !ok {
			t.drop(key, v)
			return
		}
		now := t.now()
		v.timeline.markPod(view.Pod, now)

		left, open := t.presence(v)
		a := record.Activity{Connected: now}
		if !open {
			a.Connected = left
			if now.Sub(left) >= lingerFor {
				t.lastReport(key, left, log)
				if t.release(key, v) {
					return
				}
				continue
			}
		}
		if lifecycle.Asleep(view.Session) && !wake.counts(view.Session, now) {
			if asked, waits := t.waits(v, view.Session, now); waits {
				// A wake counts only when it is later than the sleep.
				a.Wake = record.After(now, view.Session.Status.SleepTime)
				v.timeline.begin(asked, func() traced { return newTraced(t.ctx, t.Tracer, view.Session, asked) })
				a.Traceparent = v.timeline.traceparent()
			}
		}
		due := reported.Add(reportInterval(view.Session))
		if !a.Wake.IsZero() {
			due = now
		}
		if due.Before(retry) {
			due = retry
		}
		if !due.After(now) {
			if err := t.write(key, a); err != nil {
				log.Warn("activity was not written; trying again", "error", err, "wake", !a.Wake.IsZero())
				retry = t.now().Add(retryAfter)
				due = retry
			} else {
				reported, due = now, now.Add(reportInterval(view.Session))
				if !a.Wake.IsZero() {
					wake = written{a.Wake, t.now()}
					t.metrics.Wakes.Inc()
					v.timeline.Mark(metrics.StageWakeWritten, wake.at)
					log.Info("woke the desktop")
				}
			}
		}
		if lifecycle.Asleep(view.Session) {
			due = earlier(due, wake.at.Add(echoWithin), now)
		}
		if !open {
			due = earlier(due, left.Add(lingerFor), now)
		}
		timer := time.NewTimer(due.Sub(t.now()))
		select {
		case <-view.Changed:
		case <-v.poke:
		case <-timer.C:
		case <-t.ctx.Done():
			timer.Stop()
			v.timeline.end()
			if left, open := t.presence(v); open {
				t.lastReport(key, t.now(), log)
			} else {
				t.lastReport(key, left, log)
			}
			return
		}
		timer.Stop()
	}
}

// earlier is the sooner of due and other, of those that are still to come.
func earlier(due, other, now time.Time) time.Time {
	if other.After(now) && other.Before(due) {
		return other
	}
	return due
}

// presence says whether anybody is connected, and if not, when the last one left.
func (t *Tracker) presence(v *visited) (left time.Time, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return v.left, v.connections > 0
}

// release ends the writer unless somebody came meanwhile.
func (t *Tracker) release(key types.NamespacedName, v *visited) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v.connections > 0 {
		return false
	}
	v.kept = false
	v.timeline.end()
	if _, ok := t.dir.View(key); !ok && t.sessions[key] == v {
		delete(t.sessions, key)
	}
	return true
}

// drop ends the writer of a session that was deleted, whoever is still connected.
func (t *Tracker) drop(key types.NamespacedName, v *visited) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v.kept = false
	v.timeline.end()
	if t.sessions[key] == v {
		delete(t.sessions, key)
	}
}

// waits says since when somebody has waited for the sleeping desktop, if anybody
// who may wake it does. Connections that were being served when it fell asleep are
// about to end and don't count, nor do those that waited when a clock ended them.
func (t *Tracker) waits(v *visited, s *v1alpha1.VDISession, now time.Time) (time.Time, bool) {
	if lifecycle.PoweredOff(s) || s.DeletionTimestamp != nil {
		return time.Time{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A visitor of a page is gone once the page is sent, but wants the desktop.
	if !v.slept.Before(lifecycle.Slept(s)) {
		return v.asked, true
	}
	return now, v.waiting > 0 && !lifecycle.EndsVisits(s)
}

func (t *Tracker) write(key types.NamespacedName, a record.Activity) error {
	ctx, cancel := context.WithTimeout(t.ctx, writeTimeout)
	defer cancel()
	return t.writer.WriteActivity(ctx, key, a)
}

// lastReport makes the disconnect timeout run from when the last visitor left,
// not from the last periodic report. It also runs while the activator shuts down.
func (t *Tracker) lastReport(key types.NamespacedName, left time.Time, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), writeTimeout)
	defer cancel()
	err := t.writer.WriteActivity(ctx, key, record.Activity{Connected: left})
	if err != nil && !errors.Is(err, record.ErrGone) {
		log.Warn("the end of the last connection was not written; the disconnect timeout runs from the last report", "error", err)
	}
}

// written is the last wake of ours: its stamp, and when it was written.
type written struct{ stamp, at time.Time }

// counts says that a wake was asked for since the last sleep: by anybody as far as
// the record shows, or by us so lately that the record may not show it yet.
func (w written) counts(s *v1alpha1.VDISession, now time.Time) bool {
	return lifecycle.Visited(s) || w.stamp.After(lifecycle.Slept(s)) && now.Sub(w.at) < echoWithin
}
