package uninstall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/org/vdi-operator/pkg/claims"
)

// ours is whether no other installation serves a namespace. What another one serves is left
// alone, though this one may have watched it too.
func (u *Uninstaller) ours(ctx context.Context, namespace string) bool {
	if ours, known := u.served[namespace]; known {
		return ours
	}
	holder, err := claims.Holder(ctx, u.Client, namespace)
	ours := err != nil || holder == "" || holder == u.Installation // without the right to see it there is no claim
	if !ours {
		u.say("Left namespace %s alone, which installation %s serves.", namespace, holder)
	}
	if u.served == nil {
		u.served = map[string]bool{}
	}
	u.served[namespace] = ours
	return ours
}

// releaseNamespaces gives free what this installation has claimed: the namespaces that it
// names, and those that it found sessions in.
func (u *Uninstaller) releaseNamespaces(ctx context.Context) error {
	names := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(u.served)), u.Namespaces...))))
	var errs []error
	for _, namespace := range names {
		if err := claims.Release(ctx, u.Client, u.Client, u.Installation, namespace); err != nil {
			errs = append(errs, fmt.Errorf("give namespace %s free: %w", namespace, err))
		}
	}
	return errors.Join(errs...)
}
