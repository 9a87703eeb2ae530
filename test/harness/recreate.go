package harness

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
)

// Recreate makes a new object in the place of one that an earlier run left.
func (in *Installation) Recreate(ctx context.Context, o client.Object) error {
	old := o.DeepCopyObject().(client.Object)
	return eventually.Wait(ctx, "a new "+o.GetName(), func() error {
		if err := client.IgnoreNotFound(in.Client.Delete(ctx, old)); err != nil {
			return err
		}
		return in.Client.Create(ctx, o.DeepCopyObject().(client.Object))
	})
}
