package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// answers remember, by the session's UID, what the API server answered about an object that
// lacks something of what was desired.
type answers struct{ sync.Map }

// answer is about one object as it stands, and one shape of it.
type answer struct {
	object     types.UID
	generation int64
	shape      string
	drifted    bool
}

// drifted says that somebody else has changed an object: it lacks something of what was
// desired, and would not if it were written now. What the API server or a webhook makes of
// whatever is written is no difference.
func (a applied[T]) drifted(ctx context.Context, c client.Client, s *v1alpha1.VDISession, existing, desired T) (bool, error) {
	lacks, err := a.lacks(existing, desired)
	if err != nil || !lacks || !sameShape(existing, desired) {
		return lacks, err
	}
	about := answer{object: existing.GetUID(), generation: existing.GetGeneration(), shape: desired.GetAnnotations()[v1alpha1.AnnotationShapeHash]}
	if known, ok := a.answers.Load(s.UID); ok {
		if known := known.(answer); known.object == about.object && known.generation == about.generation && known.shape == about.shape {
			return known.drifted, nil
		}
	}
	written := a.changed(existing, desired)
	switch err := c.Patch(ctx, written, client.MergeFrom(existing), client.DryRunAll); {
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return true, nil // nobody can tell, as where a webhook takes no dry run
	case err != nil:
		return false, client.IgnoreNotFound(err)
	}
	about.drifted = !equality.Semantic.DeepEqual(a.spec(existing), a.spec(written))
	a.answers.Store(s.UID, about)
	return about.drifted, nil
}

// lacks says that an object lacks something of what was desired. What the API server has added
// is no difference.
func (a applied[T]) lacks(existing, desired T) (bool, error) {
	var has, wants any
	for from, to := range map[any]*any{existing: &has, desired: &wants} {
		raw, err := json.Marshal(a.spec(from.(T)))
		if err == nil {
			err = json.Unmarshal(raw, to)
		}
		if err != nil {
			return false, fmt.Errorf("compare %s %s with what it should be: %w", a.what, desired.GetName(), err)
		}
	}
	return !includes(has, wants), nil
}

// rounded is a pod's spec with its quantities as the API server keeps them: to a thousandth.
func rounded(spec corev1.PodSpec) corev1.PodSpec {
	spec = *spec.DeepCopy()
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, list := range []corev1.ResourceList{containers[i].Resources.Limits, containers[i].Resources.Requests} {
				for name, quantity := range list {
					quantity.RoundUp(resource.Milli)
					list[name] = quantity
				}
			}
		}
	}
	return spec
}

// includes says that a value decoded from JSON has all that another one wants. Lists are as
// long as they should be.
func includes(has, wants any) bool {
	switch wants := wants.(type) {
	case map[string]any:
		object, ok := has.(map[string]any)
		ok = ok || len(wants) == 0
		for key, value := range wants {
			ok = ok && includes(object[key], value)
		}
		return ok
	case []any:
		list, ok := has.([]any)
		ok = ok && len(list) == len(wants)
		for i := range wants {
			ok = ok && includes(list[i], wants[i])
		}
		return ok
	default:
		return has == wants
	}
}
