package uninstall

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/controller/knativeconfig"
)

// GiveKnativeConfigBack gives up the keys that the operator has set in Knative's config
// maps: an apply that claims nothing.
func GiveKnativeConfigBack(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	var changed []string
	var errs []error
	for _, name := range []string{"config-features", "config-autoscaler"} {
		// An apply would make a config map that is gone with Knative anew.
		cm := &corev1.ConfigMap{}
		err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, cm)
		if err == nil {
			before := cm.ResourceVersion
			err = c.Apply(ctx, corev1ac.ConfigMap(name, namespace).WithUID(cm.UID), knativeconfig.FieldManager)
			if err == nil && c.Get(ctx, client.ObjectKeyFromObject(cm), cm) == nil && cm.ResourceVersion != before {
				changed = append(changed, "ConfigMap "+name)
			}
		}
		errs = append(errs, client.IgnoreNotFound(err))
	}
	return changed, errors.Join(errs...)
}
