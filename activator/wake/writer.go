package wake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// StatusWriter writes activity into a session's status by merge patch: no read,
// no conflict, and no field of the operator's touched.
type StatusWriter struct {
	Client client.Client
	// Directory tells what is recorded already, so that nothing moves back.
	Directory *directory.Directory
}

var _ Writer = (*StatusWriter)(nil)

// WriteActivity writes those of a's fields that move the record forward.
func (w *StatusWriter) WriteActivity(ctx context.Context, key types.NamespacedName, a Activity) error {
	var have v1alpha1.SessionActivity
	if view, ok := w.Directory.View(key); ok && view.Session.Status.Activity != nil {
		have = *view.Session.Status.Activity
	}
	next := v1alpha1.SessionActivity{
		LastWakeTime:      later(have.LastWakeTime, a.Wake),
		LastConnectedTime: later(have.LastConnectedTime, a.Connected),
		LastInputTime:     later(have.LastInputTime, a.Input),
		LastReachedTime:   later(have.LastReachedTime, a.Reached),
	}
	if a.Protocol != have.Protocol {
		next.Protocol = a.Protocol
	}
	if next == (v1alpha1.SessionActivity{}) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"activity": activityPatch(next, a.Traceparent)}})
	if err != nil {
		return fmt.Errorf("activity of %s: %w", key, err)
	}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	err = w.Client.Status().Patch(ctx, s, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsNotFound(err) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("activity of %s: %w", key, err)
	}
	if kept := s.Status.Activity; next.LastReachedTime != nil && (kept == nil || kept.LastReachedTime == nil) {
		return fmt.Errorf("activity of %s: %w", key, errOldDefinition)
	}
	return nil
}

// errOldDefinition says that the API server dropped what was written.
var errOldDefinition = errors.New("the definition of VDISessions in this cluster is older than this program and does not know " +
	"status.activity.lastReachedTime, without which no start is seen to succeed: let the newest installation bring the CRDs (crds.enabled)")

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

// later returns t when it is set and later than have, else nil: leave it alone.
func later(have *metav1.MicroTime, t time.Time) *metav1.MicroTime {
	if t.IsZero() || have != nil && !t.After(have.Time) {
		return nil
	}
	return &metav1.MicroTime{Time: t}
}
