package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// applier is the field manager of the cluster's administrator.
const applier = client.FieldOwner("administrator")

// yamlPage is how much of a file is looked at to tell JSON from YAML.
const yamlPage = 4 << 10

// Apply applies a file of manifests as the cluster's administrator would with kubectl.
func (in *Installation) Apply(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for d := yaml.NewYAMLOrJSONDecoder(f, yamlPage); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(o.Object) == 0 {
			continue
		}
		if err := in.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), applier, client.ForceOwnership); err != nil {
			return fmt.Errorf("%s: %s %s: %w", file, o.GetKind(), o.GetName(), err)
		}
	}
}
