package session

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/controller/priority"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// recordsAtOnce is how many wakes are recorded at the same time, a small part of
	// concurrency. Where many wake at once, the pods of the others are asked for meanwhile.
	recordsAtOnce = concurrency / 16
	// recordRetry is when the record of a wake that has to wait is tried again.
	recordRetry = 100 * time.Millisecond
)

// wakes is whether this pass has woken the desktop.
func (p *pass) wakes() bool { return lifecycle.Awake(p.session) && !lifecycle.Awake(p.before) }

// mayRecord takes one of the places for records; the caller gives it back.
func (r *Reconciler) mayRecord() bool {
	if r.recording.Add(1) <= recordsAtOnce {
		return true
	}
	r.recording.Add(-1)
	return false
}

// recordLater keeps the pass until its record can be written. What has changed by then makes
// that fail, as the record is locked, and the session is decided anew; so it is by a new leader,
// who finds the desktop running and the visit.
func (p *pass) recordLater() ctrl.Result {
	p.unrecorded.Store(client.ObjectKeyFromObject(p.session), p)
	return ctrl.Result{RequeueAfter: recordRetry, Priority: new(priority.Starting)}
}
