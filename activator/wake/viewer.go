package wake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// ErrChanged says that the session was no longer as the writer had seen it, and that
// nothing was written.
var ErrChanged = errors.New("the session has changed meanwhile")

// WriteViewer records who views a desktop that can have one viewer only; nil removes the
// record. seen is the session's version from which that was concluded: where it has
// another one by now, ErrChanged is returned. Without it whatever is recorded is written
// over.
func (w *StatusWriter) WriteViewer(ctx context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	change := map[string]any{"status": map[string]any{"activity": map[string]any{"viewer": v}}}
	if seen != "" {
		change["metadata"] = map[string]any{"resourceVersion": seen}
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("viewer of %s: %w", key, err)
	}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	err = w.Client.Status().Patch(ctx, s, client.RawPatch(types.MergePatchType, patch))
	switch {
	case apierrors.IsNotFound(err):
		return ErrGone
	case apierrors.IsConflict(err):
		return ErrChanged
	case err != nil:
		return fmt.Errorf("viewer of %s: %w", key, err)
	}
	return nil
}
