// Package env tells a test or a demo where the installation is that the platform
// command brought up.
package env

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// NodePort is the activator's on the test cluster, which publishes it at
	// DefaultAddress.
	NodePort = 30080
	// DefaultPort is the port in sessions' URLs.
	DefaultPort = 8080
	// DefaultAddress is where sessions' URLs lead.
	DefaultAddress = "127.0.0.1:8080"
)

// Env is one installation.
type Env struct {
	// Kubeconfig is a file with an administrator's rights.
	Kubeconfig string `json:"kubeconfig"`
	// SystemNamespace holds the chart's release.
	SystemNamespace string `json:"systemNamespace"`
	// Knative is whether desktops run on Knative, otherwise on plain Deployments.
	Knative bool `json:"knative"`
	// Address is the host and port of the activator; where PortForward is set, only
	// while a port-forward runs.
	Address     string `json:"address"`
	PortForward bool   `json:"portForward"`
	// DesktopImage and BenchImage are the images of this tree.
	DesktopImage string `json:"desktopImage"`
	BenchImage   string `json:"benchImage"`
	// Settings are the flags of helm upgrade with which the release was installed.
	Settings []string `json:"settings"`
}

const file = "out/platform.json"

// Save records the installation for Load; root is the repository.
func Save(root string, e Env) error {
	raw, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o600)
}

// Load finds the installation's record, upwards from the working directory, and
// the repository's root.
func Load() (e Env, root string, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return Env{}, "", err
	}
	for {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err == nil {
			return e, dir, json.Unmarshal(raw, &e)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Env{}, "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return Env{}, "", fmt.Errorf("%s was not found: run this by make, which brings the installation up first", file)
		}
		dir = parent
	}
}
