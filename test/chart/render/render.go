// Package render gives what the chart renders, by the real Helm, for tests.
package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	// Release is what every render is for.
	Release = "vdi"
	// Namespace is where it is installed.
	Namespace = "vdi-system"
	// KubeVersion is the cluster's that the chart believes to have.
	KubeVersion = "v1.35.4"
	// helmVariable names the program; the Makefile sets it.
	helmVariable = "HELM"
)

// Root is the tree that this package is in.
func Root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/org/vdi-operator").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Helm runs Helm in the tree's root, without a cluster whatever this machine has. Its
// error says what Helm said.
func Helm(ctx context.Context, args ...string) (string, error) {
	return HelmAt(ctx, os.DevNull, args...)
}

// HelmAt is Helm for the cluster of a kubeconfig.
func HelmAt(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	program := os.Getenv(helmVariable)
	if program == "" {
		return "", fmt.Errorf("%s is not set: these tests need Helm, which `make test-chart` provides", helmVariable)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &errs
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	if err := cmd.Run(); err != nil {
		return out.String(), errors.New(strings.TrimSpace(errs.String() + out.String()))
	}
	return out.String(), nil
}

// Text is what the chart renders, given Helm's flags for values.
func Text(ctx context.Context, namespace string, flags ...string) (string, error) {
	args := append([]string{"template", Release, filepath.Join("charts", "vdi-operator"), "--namespace", namespace, "--kube-version", KubeVersion}, flags...)
	return Helm(ctx, args...)
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

// Documents are the YAML documents of a text that hold something.
func Documents(text string) []string {
	var all []string
	for _, d := range separator.Split(text, -1) {
		if strings.TrimSpace(d) != "" {
			all = append(all, strings.TrimPrefix(d, "\n"))
		}
	}
	return all
}

// Objects are the objects of a text.
func Objects(text string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, d := range Documents(text) {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(d), &o.Object); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, d)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
	return all, nil
}
