package workload

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// own reads the session's object of o's kind, which has the session's name; false where
// there is none, or another owner's.
func own(ctx context.Context, c client.Reader, s *v1alpha1.VDISession, o client.Object) (bool, error) {
	if err := c.Get(ctx, client.ObjectKeyFromObject(s), o); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return metav1.IsControlledBy(o, s), nil
}

// remove deletes an object that own has read, if nobody has deleted it.
func remove(ctx context.Context, c client.Client, o client.Object, options ...client.DeleteOption) error {
	if !o.GetDeletionTimestamp().IsZero() {
		return nil
	}
	uid := o.GetUID()
	return client.IgnoreNotFound(c.Delete(ctx, o, append(options, client.Preconditions{UID: &uid})...))
}
