package wake

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// writeTimeout bounds one write to the API server.
const writeTimeout = 10 * time.Second

// keep writes one session's activity from its first connection until lingerFor after its
// last, as next decides.
func (t *Tracker) keep(key types.NamespacedName, v *visited) {
	log := t.log.With("namespace", key.Namespace, "session", key.Name)
	var st state
	for {
		view, ok := t.dir.View(key)
		if !ok {
			if t.release(key, v) {
				return
			}
			continue
		}
		now, p := time.Now(), t.presence(v)
		v.timeline.markPod(view.Pod, now)
		switch do := next(now, view.Session, p, st); {
		case do.end:
			t.lastReport(key, p.left, log)
			if t.release(key, v) {
				return
			}
		case do.write != nil:
			st = t.perform(now, view, v, do, st, log)
		case !t.wait(view, v, do.again):
			v.timeline.end()
			left := time.Now()
			if p := t.presence(v); p.connections == 0 {
				left = p.left
			}
			t.lastReport(key, left, log)
			return
		}
	}
}

// perform makes the write of a step that was decided at now, and returns the state after it.
func (t *Tracker) perform(now time.Time, view directory.View, v *visited, do step, st state, log *slog.Logger) state {
	wakes, from := !do.write.Wake.IsZero(), metrics.WokeFromZero
	if lifecycle.Dozing(view.Session) {
		from = metrics.WokeFromDoze
	}
	if wakes && from == metrics.WokeFromZero { // the other is no cold start
		v.timeline.begin(do.asked, func() traced { return newTraced(t.ctx, t.Tracer, view.Session, do.asked) })
		do.write.Traceparent = v.timeline.traceparent()
	}
	do.write.Present = t.present(v)
	err := t.write(t.ctx, view.Key(), *do.write)
	ended := time.Now()
	if err != nil {
		log.Warn("activity was not written; it is retried", "error", err, "wake", wakes)
		return st.failed(ended)
	}
	if wakes {
		t.metrics.Wakes.WithLabelValues(from).Inc()
		v.timeline.Mark(metrics.StageWakeWritten, ended)
		log.Info("woke the desktop", "from", from)
	}
	return st.wrote(do.write, now, ended)
}

// wait returns when the next step is due; false when the tracker ends.
func (t *Tracker) wait(view directory.View, v *visited, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-view.Changed:
	case <-v.poke:
	case <-timer.C:
	case <-t.ctx.Done():
		return false
	}
	return true
}

func (t *Tracker) presence(v *visited) presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	return v.presence
}

// release ends the writer; false when somebody came meanwhile. That of a deleted session
// ends even while somebody is connected.
func (t *Tracker) release(key types.NamespacedName, v *visited) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, exists := t.dir.View(key)
	if exists && v.connections+v.looking > 0 {
		return false
	}
	v.kept = false
	v.timeline.end()
	if !exists && t.sessions[key] == v {
		delete(t.sessions, key)
	}
	return true
}

func (t *Tracker) write(ctx context.Context, key types.NamespacedName, a record.Activity) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return t.writer.WriteActivity(ctx, key, a)
}

// lastReport makes the disconnect timeout run from when the last visitor left,
// not from the last periodic report, and says that nobody is connected here. It also runs while
// the activator shuts down.
func (t *Tracker) lastReport(key types.NamespacedName, left time.Time, log *slog.Logger) {
	err := t.write(context.WithoutCancel(t.ctx), key, record.Activity{Connected: left, Present: &record.Presence{Replica: t.replica}})
	if err != nil && !errors.Is(err, record.ErrGone) {
		log.Warn("the end of the last connection was not written; the disconnect timeout runs from the last report", "error", err)
	}
}
