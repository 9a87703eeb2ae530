// Package wake turns visitors into activity: it writes the record that wakes a
// desktop, keeps it current while anybody is connected, and says when the last
// one left.
//
// It promises that the records only move forward and that their number does not
// grow with the number of connections. It does not decide who may wake, nor when
// a desktop sleeps.
package wake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// reportEvery is how often an open connection is reported, at most.
	reportEvery = 20 * time.Second
	// reportsPerTimeout is how many reports fit in a disconnect timeout, so that
	// one lost report does not put a desktop in use to sleep.
	reportsPerTimeout = 4
	// writeTimeout bounds one write to the API server.
	writeTimeout = 10 * time.Second
	// lingerFor is how long after the last connection a session is still kept as
	// visited, so that a page's many short requests are one visit.
	lingerFor = 3 * time.Second
	// retryAfter is the pause after a write that failed.
	retryAfter = 500 * time.Millisecond
)

// ErrGone says that the session was deleted.
var ErrGone = errors.New("the session was deleted")

// Activity is what a write moves forward; zero fields are left alone.
type Activity struct {
	Wake, Connected, Input time.Time
}

// Writer moves a session's activity forward.
type Writer interface {
	WriteActivity(ctx context.Context, key types.NamespacedName, a Activity) error
}

// Keeper writes activity for all sessions of this replica.
type Keeper struct {
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
// guarded by the keeper's lock.
type visited struct {
	timeline Timeline
	// connections counts open ones; waiting counts those of them that still wait
	// for the desktop.
	connections, waiting int
	// entered is when the latest visitor came, left when the last one went.
	entered, left time.Time
	// kept says that a writer runs; poke tells it that one of the above changed.
	kept bool
	poke chan struct{}
}

// NewKeeper makes a keeper whose writers end with ctx.
func NewKeeper(ctx context.Context, dir *directory.Directory, w Writer, m *metrics.Activator, log *slog.Logger) *Keeper {
	return &Keeper{ctx: ctx, dir: dir, writer: w, metrics: m, log: log, now: time.Now, sessions: map[types.NamespacedName]*visited{}}
}

// Visit is one open connection. Its methods may be called from any goroutine.
type Visit struct {
	keeper *Keeper
	key    types.NamespacedName
	since  time.Time
	state  *visited
	served sync.Once
	left   sync.Once
}

// Enter reports a connection that waits for the session's desktop, and wakes it
// when it sleeps. Leave must be called.
func (k *Keeper) Enter(key types.NamespacedName) *Visit {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.sessions[key]
	if v == nil {
		v = &visited{poke: make(chan struct{}, 1)}
		v.timeline.observe = func(s metrics.Stage, d time.Duration) {
			k.metrics.ColdStart.WithLabelValues(string(s)).Observe(d.Seconds())
		}
		k.sessions[key] = v
	}
	v.connections++
	v.waiting++
	v.entered = now
	if !v.kept {
		v.kept = true
		k.running.Go(func() { k.keep(key, v) })
	}
	v.nudge()
	return &Visit{keeper: k, key: key, since: now, state: v}
}

// Since is when the visit began.
func (v *Visit) Since() time.Time { return v.since }

// Mark stamps a stage of the cold start under way, if there is one.
func (v *Visit) Mark(stage metrics.Stage) { v.state.timeline.Mark(stage, v.keeper.now()) }

// Served says that the connection no longer waits: should the desktop be put to
// sleep by a clock now, this connection does not wake it again.
func (v *Visit) Served() {
	v.served.Do(func() {
		v.keeper.mu.Lock()
		v.state.waiting--
		v.keeper.mu.Unlock()
	})
}

// Leave ends the visit.
func (v *Visit) Leave() {
	v.Served()
	v.left.Do(func() {
		v.keeper.mu.Lock()
		defer v.keeper.mu.Unlock()
		if v.state.connections--; v.state.connections == 0 {
			v.state.left = v.keeper.now()
			v.state.nudge()
		}
	})
}

// Timeline is the session's latest cold start as this replica saw it.
func (k *Keeper) Timeline(key types.NamespacedName) Stamps {
	k.mu.Lock()
	v := k.sessions[key]
	k.mu.Unlock()
	if v == nil {
		return Stamps{}
	}
	return v.timeline.Stamps()
}

// Input reports that somebody typed or moved the pointer just now.
func (k *Keeper) Input(ctx context.Context, key types.NamespacedName) error {
	now := k.now()
	return k.writer.WriteActivity(ctx, key, Activity{Connected: now, Input: now})
}

// Forget drops what is kept of a deleted session that nobody is connected to.
func (k *Keeper) Forget(key types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v := k.sessions[key]; v != nil && !v.kept {
		delete(k.sessions, key)
	}
}

// Wait returns when the last writer has ended; call it after the keeper's context
// is done.
func (k *Keeper) Wait() { k.running.Wait() }

// nudge tells the writer to look again; the caller holds the lock.
func (v *visited) nudge() {
	select {
	case v.poke <- struct{}{}:
	default:
	}
}

// keep writes one session's activity from its first connection until lingerFor
// after its last.
func (k *Keeper) keep(key types.NamespacedName, v *visited) {
	log := k.log.With("namespace", key.Namespace, "session", key.Name)
	var lastReport, lastWake time.Time
	for {
		view, ok := k.dir.View(key)
		if !ok {
			k.finish(v, 0)
			k.Forget(key)
			return
		}
		now := k.now()
		v.timeline.markPod(view.Pod, now)

		a := Activity{Connected: now}
		if view.Asleep() && !woken(view.Session, lastWake) {
			if since, waits := k.waits(v, view); waits {
				a.Wake = wakeStamp(now, view.Session)
				v.timeline.begin(since)
			}
		}
		interval := reportInterval(view.Session)
		pause := interval - now.Sub(lastReport)
		if !a.Wake.IsZero() || pause <= 0 {
			if err := k.write(key, a); err != nil {
				log.Warn("activity was not written; trying again", "error", err, "wake", !a.Wake.IsZero())
				pause = retryAfter
			} else {
				lastReport, pause = now, interval
				if !a.Wake.IsZero() {
					lastWake = a.Wake
					k.metrics.Wakes.Inc()
					v.timeline.Mark(metrics.StageWakeWritten, k.now())
					log.Info("woke the desktop")
				}
			}
		}

		left, ended := k.finish(v, lingerFor)
		if ended {
			k.lastReport(key, left, log)
			return
		}
		if !left.IsZero() {
			pause = min(pause, time.Until(left.Add(lingerFor)))
		}
		timer := time.NewTimer(pause)
		select {
		case <-view.Changed:
		case <-v.poke:
		case <-timer.C:
		case <-k.ctx.Done():
			timer.Stop()
			k.lastReport(key, k.now(), log)
			return
		}
		timer.Stop()
	}
}

// finish ends the writer when nobody has been connected for at least linger. It
// returns when the last one left; zero while somebody is connected.
func (k *Keeper) finish(v *visited, linger time.Duration) (left time.Time, ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v.connections > 0 && linger > 0 {
		return time.Time{}, false
	}
	if linger == 0 || k.now().Sub(v.left) >= linger {
		v.kept = false
		return v.left, true
	}
	return v.left, false
}

// waits says since when somebody has waited for the sleeping desktop, if anybody
// who may wake it does. Connections that were being served when it fell asleep are
// about to end and don't count.
func (k *Keeper) waits(v *visited, view directory.View) (time.Time, bool) {
	if view.Session.Spec.Power == v1alpha1.PowerOff || view.Session.DeletionTimestamp != nil {
		return time.Time{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	since := v.entered
	if slept := view.Session.Status.SleepTime; slept != nil && slept.After(since) {
		since = slept.Time
	}
	// A visitor of a page is gone once the page is sent, but wants the desktop.
	asked := v.waiting > 0 || view.Session.Status.SleepTime == nil || v.entered.After(view.Session.Status.SleepTime.Time)
	return since, asked
}

func (k *Keeper) write(key types.NamespacedName, a Activity) error {
	ctx, cancel := context.WithTimeout(k.ctx, writeTimeout)
	defer cancel()
	return k.writer.WriteActivity(ctx, key, a)
}

// lastReport makes the disconnect timeout run from when the last visitor left,
// not from the last periodic report. It also runs while the activator shuts down.
func (k *Keeper) lastReport(key types.NamespacedName, left time.Time, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), writeTimeout)
	defer cancel()
	err := k.writer.WriteActivity(ctx, key, Activity{Connected: left})
	if err != nil && !errors.Is(err, ErrGone) {
		log.Warn("the end of the last connection was not written; the disconnect timeout runs from the last report", "error", err)
	}
}

// woken says that a wake was asked for since the last sleep, by anybody as far as
// the record shows, or by us at ours.
func woken(s *v1alpha1.VDISession, ours time.Time) bool {
	asked := ours
	if a := s.Status.Activity; a != nil && a.LastWakeTime != nil && a.LastWakeTime.After(asked) {
		asked = a.LastWakeTime.Time
	}
	return !asked.IsZero() && (s.Status.SleepTime == nil || asked.After(s.Status.SleepTime.Time))
}

// wakeStamp is now, or just after the last sleep where the operator's clock is
// ahead of ours: a wake counts only when it is later than the sleep.
func wakeStamp(now time.Time, s *v1alpha1.VDISession) time.Time {
	if slept := s.Status.SleepTime; slept != nil && !now.After(slept.Time) {
		return slept.Add(time.Millisecond)
	}
	return now
}

func reportInterval(s *v1alpha1.VDISession) time.Duration {
	if l := s.Status.Lifecycle; l != nil && l.DisconnectTimeout.Duration > 0 {
		return min(reportEvery, l.DisconnectTimeout.Duration/reportsPerTimeout)
	}
	return reportEvery
}
