package workload

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// Trial is the workload of a shape as the API server is asked about it.
type Trial struct{ workload client.Object }

// NewTrial renders a shape as the installation would.
func NewTrial(cfg config.Config, shape Shape) (Trial, error) {
	if cfg.Knative.Enabled {
		service, err := knativeService(shape)
		return Trial{service}, err
	}
	deployment, _, err := plain(shape)
	return Trial{deployment}, err
}

// Hash tells trials of different shapes apart.
func (t Trial) Hash() string { return t.workload.GetAnnotations()[v1alpha1.AnnotationShapeHash] }

// Ask returns the API server's own error where it would refuse the workload. Nothing is made.
func (t Trial) Ask(ctx context.Context, c client.Client) error {
	return c.Create(ctx, t.workload.DeepCopyObject().(client.Object), client.DryRunAll)
}
