// Package priority says in which order the controllers do their work: a desktop that
// somebody waits for comes before everything else, and what concerns every session comes
// last and little by little.
//
// It does not know what that work is.
package priority

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// The places in a controller's queue. One that waits there already moves up with what is more
// urgent, and never down.
const (
	// Wake is for a desktop that somebody waits for.
	Wake = 100
	// Starting is for one whose wake is on record: its pod is asked for, or cannot be, and
	// others' may not be yet.
	Starting = 50
	// Ordinary is for a change of one object; it is controller-runtime's own.
	Ordinary = 0
	// Background is for what nobody waits for: a change that concerns every session, the
	// renewal of a token, what is found at the start. It is controller-runtime's own for
	// the latter.
	Background = handler.LowPriority
)

const (
	// atOnce is how many sessions of a change that concerns many are looked at without a
	// pause, and perSecond how many of the rest in a second. Each may cost two or three
	// writes, and Kubernetes' own controllers have to follow with 20 requests a second
	// each (kube-controller-manager, --kube-api-qps): behind what they have not done yet
	// the next wake waits there, whatever its place here.
	atOnce    = 100
	perSecond = 50
)

// Of is the place of a session that has not changed.
func Of(now time.Time, s *v1alpha1.VDISession) int {
	switch {
	case lifecycle.Awaited(now, s) && lifecycle.Awake(s):
		return Starting
	case lifecycle.Awaited(now, s):
		return Wake
	case lifecycle.Asleep(s) && s.Status.ObservedGeneration == s.Generation && s.DeletionTimestamp.IsZero():
		return Background
	}
	return Ordinary
}

// pause is when the i-th session of a change that concerns many has its turn.
func pause(i int) time.Duration {
	return time.Duration(max(0, i-atOnce)) * time.Second / perSecond
}
