package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// Withdraw takes an installation's entry out of all templates' status: nobody would keep it
// current.
func Withdraw(ctx context.Context, c client.Client, i config.Installation) error {
	list := &v1alpha1.VDITemplateList{}
	if err := c.List(ctx, list); err != nil {
		if meta.IsNoMatchError(err) {
			return nil
		}
		return fmt.Errorf("list templates: %w", err)
	}
	var errs []error
	for n := range list.Items {
		t := &list.Items[n]
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			if err := c.Get(ctx, client.ObjectKeyFromObject(t), t); err != nil {
				return err
			}
			return withdrawFrom(ctx, c, t, Name(i))
		})
		if client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("template %q: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}

func withdrawFrom(ctx context.Context, c client.Client, t *v1alpha1.VDITemplate, name string) error {
	if entry(&t.Status, name) == nil {
		return nil
	}
	before := t.DeepCopy()
	t.Status.Installations = slices.DeleteFunc(t.Status.Installations, func(e v1alpha1.TemplateInstallation) bool { return e.Name == name })
	summarise(t, time.Now())
	return c.Status().Patch(ctx, t, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
