//go:build integration

// Package apiserver asks a real kube-apiserver about what the chart renders: whether it
// takes every object, whom it would let do what, and whether the pods are as restricted
// as Pod Security wants them.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/org/vdi-operator/test/helm"
)

const (
	// systemNamespace is where the chart is installed.
	systemNamespace = "vdi-system"
	assetsVariable  = "KUBEBUILDER_ASSETS"
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
	assets := os.Getenv(assetsVariable)
	if assets == "" {
		return 1, fmt.Errorf("%s is not set: these tests need a kube-apiserver and etcd. `make test-integration` provides them", assetsVariable)
	}
	others := strings.Fields(os.Getenv(definitionsVariable))
	if len(others) == 0 {
		return 1, fmt.Errorf("%s is not set: these tests need the CRDs of others. `make test-integration` provides them", definitionsVariable)
	}
	if root, err = helm.Root(); err != nil {
		return 1, err
	}
	ctrl.SetLogger(logr.Discard())
	definitions = append([]string{filepath.Join(root, "config", "crd")}, others...)
	for module, inside := range map[string][]string{
		"knative.dev/serving":    {"config/core/300-resources"},
		"knative.dev/networking": {"config/ingress.yaml", "config/serverlessservice.yaml"},
	} {
		dir, err := moduleFolder(module)
		if err != nil {
			return 1, err
		}
		for _, path := range inside {
			definitions = append(definitions, filepath.Join(dir, path))
		}
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        definitions,
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	env.ControlPlane.GetAPIServer().Configure().Append("advertise-address", "127.0.0.1")
	if config, err = env.Start(); err != nil {
		return 1, fmt.Errorf("start the control plane from %s: %w", assets, err)
	}
	defer func() {
		if stopErr := env.Stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop the control plane: %w", stopErr)
		}
	}()
	config.QPS, config.Burst = 1000, 1000
	if admin, err = client.New(config, client.Options{Scheme: clientgoscheme.Scheme}); err != nil {
		return 1, err
	}
	for _, name := range []string{systemNamespace, "knative-serving", "team-a", "team-b"} {
		if err := admin.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// moduleFolder is the folder of a module that this tree is built with.
func moduleFolder(path string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return "", fmt.Errorf("find the module %s: %w", path, err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", errors.New(path + " is not downloaded: go mod download " + path)
	}
	return dir, nil
}

// rendered are the objects of the chart for a set of values of test/chart/testdata, or
// for flags.
func rendered(t *testing.T, namespace string, flags ...string) []*unstructured.Unstructured {
	t.Helper()
	text, err := vdi(namespace).Template(t.Context(), flags...)
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
