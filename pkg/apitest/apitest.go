// Package apitest starts a kube-apiserver and etcd, for tests and benchmarks, and finds the definitions that they need.
package apitest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// assets names the folder with both programs, as envtest reads it.
	assets = "KUBEBUILDER_ASSETS"
	// startWithin and stopWithin are for a slow machine.
	startWithin = 2 * time.Minute
	stopWithin  = time.Minute
	// unlimited requests a second: a limit of the client would only make tests slow.
	unlimited = 1000
)

// Start starts an API server with these definitions, files or folders. The caller stops it.
func Start(crds ...string) (*envtest.Environment, error) {
	if os.Getenv(assets) == "" {
		return nil, fmt.Errorf("%s is not set: this needs a kube-apiserver and etcd. Run it by make", assets)
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    os.Getenv(assets),
		CRDDirectoryPaths:        crds,
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startWithin,
		ControlPlaneStopTimeout:  stopWithin,
	}
	env.ControlPlane.GetAPIServer().Configure().Append("advertise-address", "127.0.0.1")
	if _, err := env.Start(); err != nil {
		return nil, fmt.Errorf("start the control plane from %s: %w", os.Getenv(assets), err)
	}
	env.Config.QPS, env.Config.Burst = unlimited, unlimited
	return env, nil
}

// Knative is Knative's definitions, of the modules that the programs are built with.
func Knative() (crds []string, err error) {
	for module, inside := range map[string][]string{
		"knative.dev/serving":    {"config/core/300-resources"},
		"knative.dev/networking": {"config/ingress.yaml", "config/serverlessservice.yaml"},
	} {
		dir, err := Module(module)
		if err != nil {
			return nil, err
		}
		for _, path := range inside {
			crds = append(crds, filepath.Join(dir, path))
		}
	}
	return crds, nil
}

// Module is the folder of a module that the programs are built with.
func Module(path string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return "", fmt.Errorf("find the module %s: %w", path, err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", fmt.Errorf("%s is not downloaded: go mod download %s", path, path)
	}
	return dir, nil
}
