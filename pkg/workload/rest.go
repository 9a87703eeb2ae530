package workload

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// rest keeps a sleeping session's workload of the desired shape where keep is true, and
// takes any other away once may allows it.
func (a applied[T]) rest(ctx context.Context, c client.Client, s *v1alpha1.VDISession, desired T, keep bool, may func() bool) (Rested, error) {
	existing := desired.DeepCopyObject().(T)
	has, err := own(ctx, c, s, existing)
	if err != nil || !has {
		return Rested{}, err
	}
	drifted, err := a.drifted(ctx, c, s, existing, desired)
	switch {
	case err != nil:
		return Rested{}, err
	case !existing.GetDeletionTimestamp().IsZero():
		return Rested{Left: true, Again: pollEvery}, nil
	case keep && sameShape(existing, desired) && !drifted:
		return Rested{Left: true, Fits: true}, nil
	case !may():
		return Rested{Left: true}, nil
	}
	return Rested{Left: true, Again: pollEvery}, remove(ctx, c, existing)
}
