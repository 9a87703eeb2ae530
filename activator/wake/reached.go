package wake

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

// reachedEvery is the least pause between two records of the same session that its desktop
// was reached. One is enough, unless its container starts again or the two clocks differ.
const reachedEvery = 2 * time.Second

// Reached reports that the visit's connection was accepted by the desktop.
func (v *Visit) Reached() {
	v.Mark(metrics.StageReached)
	v.keeper.Reached(v.session)
}

// Reached reports that the session's desktop accepted a connection, by a visitor or by a
// look. It is written where the operator does not know yet, and is no activity: it neither
// wakes a desktop nor keeps it awake.
func (k *Keeper) Reached(key types.NamespacedName) {
	view, ok := k.dir.View(key)
	if !ok || !newsOfReach(view.Session) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	v, now := k.state(key), k.now()
	if now.Sub(v.reached) < reachedEvery || k.ctx.Err() != nil {
		return
	}
	v.reached = now
	k.running.Go(func() {
		err := k.write(key, Activity{Reached: reachedStamp(now, view.Session)})
		if err == nil || errors.Is(err, ErrGone) || errors.Is(err, context.Canceled) {
			return
		}
		k.log.Warn("that the desktop was reached was not written", "namespace", key.Namespace, "session", key.Name, "error", err)
		k.mu.Lock()
		defer k.mu.Unlock()
		if v.reached.Equal(now) {
			v.reached = time.Time{} // the next connection may try again at once
		}
	})
}

// newsOfReach says that the operator should learn of a connection to the awake session's
// desktop: none is on record since the wake, or it asks for one.
func newsOfReach(s *v1alpha1.VDISession) bool {
	if s.Status.StartTime == nil {
		return false
	}
	a := s.Status.Activity
	return a == nil || a.LastReachedTime == nil || a.LastReachedTime.Before(s.Status.StartTime) || AskedToReach(s)
}

// AskedToReach says that the operator takes the session's desktop for ready, and asks
// whether it can be reached.
func AskedToReach(s *v1alpha1.VDISession) bool {
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.ReasonNotReached && s.Status.StartTime != nil
}

// reachedStamp is now, or just after the wake where the operator's clock is ahead of ours.
func reachedStamp(now time.Time, s *v1alpha1.VDISession) time.Time {
	if woke := s.Status.StartTime; woke != nil && !now.After(woke.Time) {
		return woke.Add(time.Millisecond)
	}
	return now
}
