package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/helm"
)

// fieldOwner is the name under which a story applies objects.
const fieldOwner = client.FieldOwner("vdi-story")

// Render returns what the chart would install as a release in that namespace, in a
// cluster that has the named APIs besides its own. Nothing is installed.
func (in *Installation) Render(ctx context.Context, release, namespace string, apis []string, settings ...string) ([]byte, error) {
	version, err := in.Kube.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	flags := []string{"--kube-version", version.GitVersion}
	for _, a := range apis {
		flags = append(flags, "--api-versions", a)
	}
	for _, s := range settings {
		flags = append(flags, "--set", s)
	}
	out, err := helm.Release{Name: release, Namespace: namespace}.Template(ctx, flags...)
	return []byte(out), err
}

// RenderComponents is those objects of it that belong to some components.
func (in *Installation) RenderComponents(ctx context.Context, release, namespace string, components []string, settings ...string) ([]*unstructured.Unstructured, error) {
	out, err := in.Render(ctx, release, namespace, nil, settings...)
	if err != nil {
		return nil, err
	}
	all, err := helm.Objects(string(out))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(o *unstructured.Unstructured) bool {
		return !slices.Contains(components, o.GetLabels()[componentLabel])
	}), nil
}

// ApplyFile creates or changes the objects of a file.
func (in *Installation) ApplyFile(ctx context.Context, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	objects, err := helm.Objects(string(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return in.Apply(ctx, objects...)
}

// Apply creates or changes objects as kubectl apply does.
func (in *Installation) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		if err := in.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.ForceOwnership, fieldOwner); err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// Traefik brings Traefik's image and the resource definitions that it serves into the
// test cluster, and returns the image. The first time takes minutes: it is built.
func (in *Installation) Traefik(ctx context.Context) (image string, err error) {
	if in.PortForward {
		return "", ErrNotOurs
	}
	out, err := Output(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), "traefik")
	return strings.TrimSpace(out), err
}

// Define brings the resource definitions of others that the chart can make resources of
// into the cluster, and waits until they are served.
func (in *Installation) Define(ctx context.Context) error {
	files, err := Output(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), "definitions")
	if err != nil {
		return err
	}
	for _, file := range strings.Fields(files) {
		if err := in.ApplyFile(ctx, file); err != nil {
			return err
		}
	}
	return eventually.Wait(ctx, "the definitions to be served", func() error {
		var list apiextensionsv1.CustomResourceDefinitionList
		if err := in.Client.List(ctx, &list); err != nil {
			return err
		}
		for i := range list.Items {
			if d := &list.Items[i]; !apihelpers.IsCRDConditionTrue(d, apiextensionsv1.Established) {
				return errors.New(d.Name + " is not")
			}
		}
		return nil
	})
}
