package record

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

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
