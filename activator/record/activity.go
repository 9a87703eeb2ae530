package record

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Activity is what a write moves forward; zero fields are left alone.
type Activity struct {
	Wake, Connected, Input, Watched, Reached time.Time
	// Protocol is that of a client that got through; empty is not known.
	Protocol v1alpha1.StreamingProtocol
	// Traceparent is the trace of the wake, empty where it is not traced; it is written
	// with Wake only.
	Traceparent string
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
	if reflect.ValueOf(next).IsZero() {
		return nil
	}
	stored, err := w.patch(ctx, key, activityPatch(next, a.Traceparent), "")
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

// activityPatch is a wake with its trace, or without an earlier wake's.
func activityPatch(next v1alpha1.SessionActivity, traceparent string) any {
	if next.LastWakeTime == nil {
		return next
	}
	type activity v1alpha1.SessionActivity
	var trace *string // null removes the field
	if traceparent != "" {
		trace = &traceparent
	}
	return struct {
		activity
		Traceparent *string `json:"traceparent"`
	}{activity(next), trace}
}

// later returns t when it is set and later than have, else nil: leave it alone. What was
// recorded for the future is nobody's record, and is overwritten.
func later(have *metav1.MicroTime, t time.Time) *metav1.MicroTime {
	if t.IsZero() || !t.After(lifecycle.Credible(have, time.Now())) {
		return nil
	}
	return &metav1.MicroTime{Time: t}
}
