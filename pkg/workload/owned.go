package workload

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// LeftByDeleted says that an object belongs to nobody but a session of this name that was deleted
// before, which Kubernetes' garbage collector has yet to notice. A cache may be behind and show that
// session still, so the API server is asked which one is there; nil knows of none.
func LeftByDeleted(ctx context.Context, api client.Reader, s *v1alpha1.VDISession, o client.Object) (bool, error) {
	by := metav1.GetControllerOf(o)
	if by == nil || by.Kind != v1alpha1.KindSession || by.Name != s.Name || by.UID == s.UID || len(o.GetOwnerReferences()) != 1 || api == nil {
		return false, nil
	}
	if of, err := schema.ParseGroupVersion(by.APIVersion); err != nil || of.Group != v1alpha1.GroupName {
		return false, nil //nolint:nilerr // Another API's kind of this name.
	}
	now := &v1alpha1.VDISession{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(s), now); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return now.UID == s.UID, nil
}

// RemoveLeft deletes an object that LeftByDeleted was said of, if it still is as it was read: somebody
// may be about to keep it.
func RemoveLeft(ctx context.Context, c client.Client, o client.Object) error {
	if !o.GetDeletionTimestamp().IsZero() {
		return nil
	}
	uid, version := o.GetUID(), o.GetResourceVersion()
	return client.IgnoreNotFound(c.Delete(ctx, o, client.Preconditions{UID: &uid, ResourceVersion: &version}))
}

// remove deletes an object that own has read, if nobody has deleted it.
func remove(ctx context.Context, c client.Client, o client.Object, options ...client.DeleteOption) error {
	if !o.GetDeletionTimestamp().IsZero() {
		return nil
	}
	uid := o.GetUID()
	return client.IgnoreNotFound(c.Delete(ctx, o, append(options, client.Preconditions{UID: &uid})...))
}
