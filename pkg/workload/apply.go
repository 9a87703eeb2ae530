package workload

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// applied is how one kind of object is applied.
type applied[T client.Object] struct {
	// what names the kind for people, resource for the API.
	what     string
	resource schema.GroupResource
	// live keeps an object of another shape as it is.
	live Live
	// idle says of an existing object that a change takes nothing away; nil says so of none.
	idle func(T) bool
	// change makes the existing object's spec the desired one's.
	change func(existing, desired T)
	// spec is what nobody else has to change of it.
	spec func(T) any
	// answers are those of the API server about what others may have changed.
	answers *answers
	// wrote is told of what was written; nil for nobody.
	wrote func(T)
}

func (a applied[T]) written(o T, err error) error {
	if err == nil && a.wrote != nil {
		a.wrote(o)
	}
	return err
}

// apply makes a session's object as desired, whose annotation holds the hash of its
// shape. An object of somebody else is refused. api reads what c's cache may not have.
func (a applied[T]) apply(ctx context.Context, c client.Client, api client.Reader, s *v1alpha1.VDISession, desired T) (Delay, error) {
	if err := controllerutil.SetControllerReference(s, desired, c.Scheme()); err != nil {
		return Delay{}, err
	}
	existing := desired.DeepCopyObject().(T)
	err := c.Get(ctx, client.ObjectKeyFromObject(desired), existing)
	if apierrors.IsNotFound(err) {
		err := c.Create(ctx, desired)
		if apierrors.IsAlreadyExists(err) {
			return a.exists(ctx, c, api, s, desired)
		}
		return Delay{}, a.written(desired, err)
	}
	if err != nil {
		return Delay{}, err
	}
	if !metav1.IsControlledBy(existing, s) {
		return a.foreign(ctx, c, api, s, existing)
	}
	if !existing.GetDeletionTimestamp().IsZero() {
		return a.beingDeleted(existing), nil
	}
	drifted, err := a.drifted(ctx, c, s, existing, desired)
	if err != nil || sameShape(existing, desired) && !drifted {
		return Delay{}, err
	}
	changed := a.changed(existing, desired)
	if a.idle != nil && a.idle(existing) {
		patch := client.MergeFromWithOptions(existing, client.MergeFromWithOptimisticLock{})
		return Delay{}, a.written(changed, c.Patch(ctx, changed, patch))
	}
	if live, err := a.live(ctx); err != nil || live {
		return a.atSleep(sameShape(existing, desired)), err
	}
	return Delay{}, a.written(changed, c.Patch(ctx, changed, client.MergeFrom(existing)))
}

// atSleep is the delay of a change until a live desktop has slept: somebody else's, or one of
// the shape.
func (a applied[T]) atSleep(others bool) Delay {
	message := "Template, session or configuration have changed; the change is applied when the desktop next wakes."
	if others {
		message = fmt.Sprintf("Somebody else has changed the %s; it becomes what the template says when the desktop next wakes.", a.what)
	}
	return Delay{Reason: v1alpha1.ReasonWaitingForSleep, Message: message}
}

// changed is an existing object as desired.
func (a applied[T]) changed(existing, desired T) T {
	changed := existing.DeepCopyObject().(T)
	changed.SetLabels(labels.Merge(existing.GetLabels(), desired.GetLabels()))
	changed.SetAnnotations(labels.Merge(existing.GetAnnotations(), desired.GetAnnotations()))
	a.change(changed, desired)
	return changed
}

// exists reads an object that the cache does not have: it was made a moment ago, or
// is somebody else's.
func (a applied[T]) exists(ctx context.Context, c client.Client, api client.Reader, s *v1alpha1.VDISession, desired T) (Delay, error) {
	existing := desired.DeepCopyObject().(T)
	err := api.Get(ctx, client.ObjectKeyFromObject(desired), existing)
	switch {
	case apierrors.IsNotFound(err):
		return a.beingDeleted(desired), nil
	case err == nil && !metav1.IsControlledBy(existing, s):
		return a.foreign(ctx, c, api, s, existing)
	}
	return Delay{}, err
}

func (a applied[T]) beingDeleted(o client.Object) Delay {
	return Delay{Reason: v1alpha1.ReasonPreparing, Message: fmt.Sprintf("%s %q is being deleted; a new one is made when it is gone.",
		a.what, o.GetName()), Again: pollEvery}
}

// foreign removes what an earlier session of this name has left, and refuses what is somebody
// else's.
func (a applied[T]) foreign(ctx context.Context, c client.Client, api client.Reader, s *v1alpha1.VDISession, o client.Object) (Delay, error) {
	left, err := LeftByDeleted(ctx, api, s, o)
	if err != nil {
		return Delay{}, err
	}
	if left {
		return a.beingDeleted(o), RemoveLeft(ctx, c, o)
	}
	holder := "somebody else"
	if owner := metav1.GetControllerOf(o); owner != nil {
		holder += fmt.Sprintf(", %s %q of %s", owner.Kind, owner.Name, owner.APIVersion)
	}
	return Delay{}, apierrors.NewForbidden(a.resource, o.GetName(),
		fmt.Errorf("a %s of this name exists and belongs to %s; delete it or choose another name for the session", a.what, holder))
}
