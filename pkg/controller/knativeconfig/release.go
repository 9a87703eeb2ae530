package knativeconfig

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Release gives every key back that an installation has claimed in Knative Serving's
// namespace; manager is its FieldManager. A key that nobody else claims vanishes, and
// Knative's default holds again; one that somebody else had set too, before or after,
// stays. It returns what was given back, and does all it can before it returns an error.
// It needs no controller to run, and c no cache.
func Release(ctx context.Context, c client.Client, namespace string, manager client.FieldOwner) (released []string, err error) {
	places, err := claimable(ctx, c, namespace)
	errs := []error{err}
	for _, p := range places {
		given, err := p.release(ctx, c, manager)
		if err != nil {
			errs = append(errs, err)
		} else if given {
			released = append(released, p.String())
		}
	}
	return released, errors.Join(errs...)
}

// claimable are the objects in which keys may have been claimed, whichever way Knative
// was installed then. The Knative Operator's come first: it takes back what it wrote.
func claimable(ctx context.Context, c client.Client, namespace string) ([]place, error) {
	var places []place
	var errs []error
	servings := &unstructured.UnstructuredList{}
	servings.SetGroupVersionKind(knativeServingKind)
	err := c.List(ctx, servings, client.InNamespace(namespace))
	if err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		errs = append(errs, fmt.Errorf("the KnativeServing resources in namespace %s: %w", namespace, err))
	}
	for i := range servings.Items {
		places = append(places, place{object: &servings.Items[i]})
	}
	for _, need := range requirements {
		configMap, err := get(ctx, c, configMapKind, namespace, need.configMap)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("config map %s/%s: %w", namespace, need.configMap, err))
			continue
		}
		places = append(places, place{object: configMap})
	}
	return places, errors.Join(errs...)
}

// release gives back what a manager has claimed in a place, if it has.
func (p place) release(ctx context.Context, c client.Client, manager client.FieldOwner) (bool, error) {
	all, err := p.owners()
	if err != nil || !all.claims(manager) {
		return false, err
	}
	if err := p.apply(ctx, c, manager, nil); err != nil {
		if _, gone := get(ctx, c, p.object.GroupVersionKind(), p.object.GetNamespace(), p.object.GetName()); apierrors.IsNotFound(gone) {
			return false, nil
		}
		return false, fmt.Errorf("give back what %s claims in %s: %w", manager, p, err)
	}
	return true, nil
}
