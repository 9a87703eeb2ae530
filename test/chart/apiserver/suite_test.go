//go:build integration

// Package apiserver asks a real kube-apiserver about what the chart renders: whether it
// takes every object, whom it would let do what, and whether the pods are as restricted
// as Pod Security wants them.
package apiserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/test/helm"
)

const (
	// systemNamespace is where the chart is installed.
	systemNamespace = "vdi-system"
	// definitionsVariable names the files with the CRDs of others that the chart makes
	// resources of.
	definitionsVariable = "CRD_FILES"
)

var (
	// admin may do all.
	admin client.Client
	// config is how it reaches the API server.
	config *rest.Config
	// root is the tree.
	root string
	// definitions are the files and folders with this product's, Knative's and others' CRDs.
	definitions []string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	others := strings.Fields(os.Getenv(definitionsVariable))
	if len(others) == 0 {
		return 1, fmt.Errorf("%s is not set: these tests need the CRDs of others. `make test-integration` provides them", definitionsVariable)
	}
	if root, err = helm.Root(); err != nil {
		return 1, err
	}
	ctrl.SetLogger(logr.Discard())
	if definitions, err = apitest.Knative(); err != nil {
		return 1, err
	}
	definitions = append(append(definitions, filepath.Join(root, "config", "crd")), others...)
	env, err := apitest.Start(definitions...)
	if err != nil {
		return 1, err
	}
	config = env.Config
	defer func() {
		if stopErr := env.Stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop the control plane: %w", stopErr)
		}
	}()
	if admin, err = client.New(config, client.Options{Scheme: clientgoscheme.Scheme}); err != nil {
		return 1, err
	}
	for _, name := range []string{systemNamespace, "knative-serving", "team-a", "team-b", "desktops"} {
		if err := admin.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// rendered are the objects of the chart for a set of values of test/chart/testdata, or
// for flags.
func rendered(t *testing.T, namespace string, flags ...string) []*unstructured.Unstructured {
	t.Helper()
	// With what Helm renders for a cluster.
	asHelm := filepath.Join(root, "test", "chart", "testdata", "as-helm.yaml")
	text, err := vdi(namespace).Template(t.Context(), append([]string{"--values", asHelm}, flags...)...)
	require.NoError(t, err)
	objects, err := helm.Objects(text)
	require.NoError(t, err)
	return objects
}

// vdi is the release in a namespace.
func vdi(namespace string) helm.Release { return helm.Release{Name: "vdi", Namespace: namespace} }

func values(name string) string {
	return filepath.Join(root, "test", "chart", "testdata", name+".values.yaml")
}

// create makes objects by a client, those that are there already excepted, and takes
// them away at the test's end.
func create(t *testing.T, as client.Client, objects ...*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objects {
		o := o.DeepCopy()
		if err := as.Create(t.Context(), o); err != nil {
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			continue
		}
		t.Cleanup(func() {
			assert.NoError(t, client.IgnoreNotFound(admin.Delete(withoutEnd(t), o)))
		})
	}
}

// withoutEnd is a context for cleaning up, when the test's own has ended.
func withoutEnd(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

// ofGroup are the objects of an API group.
func ofGroup(objects []*unstructured.Unstructured, group string) []*unstructured.Unstructured {
	var some []*unstructured.Unstructured
	for _, o := range objects {
		if o.GroupVersionKind().Group == group {
			some = append(some, o)
		}
	}
	return some
}
