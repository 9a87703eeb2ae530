package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner is the name under which a story applies objects.
const fieldOwner = client.FieldOwner("vdi-story")

// Render returns the chart's objects of these components as a release in that namespace
// would have them. Nothing is installed.
func (in *Installation) Render(ctx context.Context, release, namespace string, components []string, settings ...string) ([]*unstructured.Unstructured, error) {
	helm := os.Getenv("HELM")
	if helm == "" {
		return nil, errors.New("HELM must name the program: run this by make")
	}
	version, err := in.Kube.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	args := []string{"template", release, filepath.Join(in.Root, "charts", "vdi-operator"), "--namespace", namespace, "--kube-version", version.GitVersion}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	out, err := output(ctx, in.Root, helm, args...)
	if err != nil {
		return nil, err
	}
	all, err := Objects([]byte(out))
	if err != nil {
		return nil, err
	}
	var wanted []*unstructured.Unstructured
	for _, o := range all {
		for _, c := range components {
			if o.GetLabels()[componentLabel] == c {
				wanted = append(wanted, o)
			}
		}
	}
	return wanted, nil
}

// Objects reads a stream of YAML documents.
func Objects(stream []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), len(stream))
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
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
	out, err := output(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), "traefik")
	return strings.TrimSpace(out), err
}

// output runs a program and returns its standard output.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}
