// Package record writes what the activators know of a session into its status.activity,
// by merge patch: no read, and no field of the operator's touched.
//
// A time only moves forward, so any number of replicas write without knowing of each
// other. Protocol and viewer are overwritten: the protocol is that of the last client that
// got through; the viewer can be written on the condition that the session is as the
// writer saw it. Package record does not decide when to write.
package record

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

var (
	// ErrGone says that the session was deleted.
	ErrGone = errors.New("the session was deleted")
	// ErrChanged says that the session is no longer as the writer saw it, and that
	// nothing was written.
	ErrChanged = errors.New("the session has changed meanwhile")
)

// Writer writes into sessions' status.
type Writer struct {
	Client client.Client
	// Directory has what is recorded already, so that no time moves back.
	Directory *directory.Directory
}

// WriteViewer records who views a desktop that can have one viewer only; nil removes the
// record. seen is the session's version from which that was concluded: where it has
// another one by now, WriteViewer returns ErrChanged. Without it the record is
// overwritten.
func (w *Writer) WriteViewer(ctx context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	_, err := w.patch(ctx, key, map[string]any{"viewer": v}, seen)
	if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrChanged) {
		return fmt.Errorf("viewer of %s: %w", key, err)
	}
	return err
}

// patch changes status.activity; seen, if set, is the session's version that it must
// still have. It returns the session as the API server stored it.
func (w *Writer) patch(ctx context.Context, key types.NamespacedName, activity any, seen string) (*v1alpha1.VDISession, error) {
	change := map[string]any{"status": map[string]any{"activity": activity}}
	if seen != "" {
		change["metadata"] = map[string]any{"resourceVersion": seen}
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	err = w.Client.Status().Patch(ctx, s, client.RawPatch(types.MergePatchType, patch))
	switch {
	case apierrors.IsNotFound(err):
		return nil, ErrGone
	case apierrors.IsConflict(err):
		return nil, ErrChanged
	}
	return s, err
}

// After is now, or just after a time on record where the clock that it is from is ahead of
// ours. Nil is never.
func After(now time.Time, recorded *metav1.MicroTime) time.Time {
	if recorded == nil || now.After(recorded.Time) {
		return now
	}
	return recorded.Add(time.Millisecond)
}
