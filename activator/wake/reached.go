package wake

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// ReportPause is the least pause between two reports of one kind of a session. One report
// is enough, unless the container restarts or two clocks differ.
const ReportPause = 2 * time.Second

// Reached reports that the visit's connection was accepted by the desktop.
func (v *Visit) Reached() {
	if v.looks() {
		return
	}
	v.Mark(metrics.StageReached)
	v.tracker.Reached(v.session)
}

// Reached reports that the session's desktop accepted a connection, a visitor's or a
// probe's. It is written where the operator does not know yet, and is no activity: it
// neither wakes a desktop nor keeps it awake.
func (t *Tracker) Reached(key types.NamespacedName) {
	view, ok := t.dir.View(key)
	if !ok || !newsOfReach(time.Now(), view.Session) {
		return
	}
	t.report(key, func(v *visited) *time.Time { return &v.reached }, func(now time.Time) record.Activity {
		return record.Activity{Reached: reachedStamp(now, view)}
	})
}

// Speaks reports the protocol of a client that got through to the session's desktop. It is
// written where it is news, and is no activity.
func (t *Tracker) Speaks(key types.NamespacedName, p v1alpha1.StreamingProtocol) {
	view, ok := t.dir.View(key)
	if a := view.Session; !ok || p == "" || a.Status.Activity != nil && a.Status.Activity.Protocol == p {
		return
	}
	t.report(key, func(v *visited) *time.Time { return &v.spoke }, func(time.Time) record.Activity { return record.Activity{Protocol: p} })
}

// report writes what is no activity, in a time of its own and not twice within
// ReportPause; last is when that was reported before.
func (t *Tracker) report(key types.NamespacedName, last func(*visited) *time.Time, what func(now time.Time) record.Activity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, now := last(t.of(key)), time.Now()
	if now.Sub(*at) < ReportPause || t.ctx.Err() != nil {
		return
	}
	*at = now
	t.running.Go(func() {
		err := t.write(t.ctx, key, what(now))
		if err == nil || errors.Is(err, record.ErrGone) || errors.Is(err, context.Canceled) {
			return
		}
		t.log.Warn("an observation of a desktop was not written", "namespace", key.Namespace, "session", key.Name, "error", err)
		t.mu.Lock()
		defer t.mu.Unlock()
		if at.Equal(now) {
			*at = time.Time{} // the next one may try at once
		}
	})
}

// newsOfReach says that the operator should learn of a connection to the awake session's
// desktop: none that can be believed at now is on record since the wake, or it asks for one.
func newsOfReach(now time.Time, s *v1alpha1.VDISession) bool {
	if !lifecycle.Awake(s) {
		return false
	}
	a := s.Status.Activity
	return a == nil || lifecycle.Credible(a.LastReachedTime, now).Before(s.Status.StartTime.Time) || lifecycle.NotReached(s)
}

// reachedStamp is now, or just after the wake, and after the start of the container that
// was reached, where the clock of the operator or of the node is ahead of ours.
func reachedStamp(now time.Time, view directory.View) time.Time {
	now = record.After(now, view.Session.Status.StartTime)
	if p := view.Pod; p != nil && !now.After(p.StartedAt) {
		now = p.StartedAt.Add(time.Millisecond)
	}
	return now
}
