package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/presence"
)

// Activity is what a write moves forward; zero fields are left alone.
type Activity struct {
	Wake, Connected, Input, Watched, Reached time.Time
	// Protocol is that of a client that got through; empty is not known.
	Protocol v1alpha1.StreamingProtocol
	// Traceparent is the trace of the wake, empty where it is not traced; it is written
	// with Wake only.
	Traceparent string
	// Present is who is connected by this replica; nil leaves alone what it said before.
	Present *Presence
}

// Presence is who is connected by a replica, which has that name.
type Presence struct {
	Replica string
	People  []v1alpha1.PresentPerson
}

// errOldDefinition says that the API server dropped what was written.
var errOldDefinition = errors.New("the definition of VDISessions in this cluster is older than this program and does not know " +
	"status.activity.lastReachedTime, without which no start is seen to succeed: let the newest installation bring the CRDs (crds.enabled)")

// WriteActivity writes those of a's fields that move the record forward. It returns ErrGone
// when the session was deleted.
func (w *Writer) WriteActivity(ctx context.Context, key types.NamespacedName, a Activity) error {
	var have v1alpha1.SessionActivity
	if view, ok := w.Directory.View(key); ok && view.Session.Status.Activity != nil {
		have = *view.Session.Status.Activity
	}
	next := v1alpha1.SessionActivity{
		LastWakeTime:      later(have.LastWakeTime, a.Wake),
		LastConnectedTime: later(have.LastConnectedTime, a.Connected),
		LastInputTime:     later(have.LastInputTime, a.Input),
		LastWatchedTime:   later(have.LastWatchedTime, a.Watched),
		LastReachedTime:   later(have.LastReachedTime, a.Reached),
	}
	if a.Protocol != have.Protocol {
		next.Protocol = a.Protocol
	}
	present := presentPatch(have.Present, a.Present, time.Now())
	if reflect.ValueOf(next).IsZero() && present == nil {
		return nil
	}
	stored, err := w.patch(ctx, key, activityPatch(next, a.Traceparent, present), "")
	if errors.Is(err, ErrGone) {
		return err
	}
	if err != nil {
		return fmt.Errorf("activity of %s: %w", key, err)
	}
	if kept := stored.Status.Activity; next.LastReachedTime != nil && (kept == nil || kept.LastReachedTime == nil) {
		return fmt.Errorf("activity of %s: %w", key, errOldDefinition)
	}
	return nil
}

// activityPatch is a wake with its trace, or without an earlier wake's, and who is connected.
func activityPatch(next v1alpha1.SessionActivity, traceparent string, present map[string]*v1alpha1.ReplicaPresence) any {
	type activity v1alpha1.SessionActivity
	change := struct {
		activity
		Traceparent any                                  `json:"traceparent,omitempty"`
		Present     map[string]*v1alpha1.ReplicaPresence `json:"present,omitempty"`
	}{activity: activity(next), Present: present}
	switch {
	case next.LastWakeTime == nil:
	case traceparent != "":
		change.Traceparent = traceparent
	default:
		change.Traceparent = json.RawMessage("null") // removes the field
	}
	return change
}

// presentPatch is what changes in who is connected, nil where nothing does: what this replica says,
// and what others said who died. Nobody is connected at a replica that says nothing.
func presentPatch(have map[string]v1alpha1.ReplicaPresence, says *Presence, now time.Time) map[string]*v1alpha1.ReplicaPresence {
	if says == nil {
		return nil
	}
	change, kept := map[string]*v1alpha1.ReplicaPresence{}, 0
	for replica, said := range have {
		switch {
		case !presence.Fresh(said, now) || replica == says.Replica && len(says.People) == 0:
			change[replica] = nil
		case replica != says.Replica:
			kept++
		}
	}
	if len(says.People) > 0 && kept < v1alpha1.MaxPresentReplicas {
		people := says.People[:min(len(says.People), v1alpha1.MaxPresentPeople)]
		change[says.Replica] = &v1alpha1.ReplicaPresence{At: metav1.MicroTime{Time: now}, People: people}
	}
	if len(change) == 0 {
		return nil
	}
	return change
}

// later returns t when it is set and later than have, else nil: leave it alone. What was
// recorded for the future is nobody's record, and is overwritten.
func later(have *metav1.MicroTime, t time.Time) *metav1.MicroTime {
	if t.IsZero() || !t.After(lifecycle.Credible(have, time.Now())) {
		return nil
	}
	return &metav1.MicroTime{Time: t}
}
