package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// helmTimeout covers what Helm waits for on a slow machine.
const helmTimeout = "5m"

// Release is an installation of the chart as its administrator handles it: with Helm.
type Release struct {
	Name, Namespace string
	// Kubeconfig says who the administrator is, and where.
	Kubeconfig string
	root       string
}

// Release is the release that the platform command installed.
func (in *Installation) Release() Release { return in.ReleaseOf("vdi", in.SystemNamespace) }

// ReleaseOf is any other.
func (in *Installation) ReleaseOf(name, namespace string) Release {
	return Release{Name: name, Namespace: namespace, Kubeconfig: in.Kubeconfig, root: in.Root}
}

// Chart is this tree's chart.
func (in *Installation) Chart() string { return filepath.Join(in.Root, "charts", "vdi-operator") }

// Upgrade installs or upgrades the release to a chart and waits until it runs. The
// arguments are further flags of helm upgrade.
func (r Release) Upgrade(ctx context.Context, chart string, args ...string) error {
	_, err := r.Helm(ctx, append([]string{"upgrade", r.Name, chart, "--install", "--wait", "--timeout", helmTimeout}, args...)...)
	return err
}

// Rollback goes back to an earlier revision.
func (r Release) Rollback(ctx context.Context, revision int) error {
	_, err := r.Helm(ctx, "rollback", r.Name, strconv.Itoa(revision), "--wait", "--timeout", helmTimeout)
	return err
}

// Test runs helm test and returns what it printed, logs included.
func (r Release) Test(ctx context.Context) (string, error) {
	return r.Helm(ctx, "test", r.Name, "--logs", "--timeout", helmTimeout)
}

// Uninstall removes the release and returns what Helm printed.
func (r Release) Uninstall(ctx context.Context) (string, error) {
	return r.Helm(ctx, "uninstall", r.Name, "--wait", "--timeout", helmTimeout)
}

// Helm runs any of its commands for the release's namespace and returns what it printed.
func (r Release) Helm(ctx context.Context, args ...string) (string, error) {
	helm, err := helmProgram()
	if err != nil {
		return "", err
	}
	return run(ctx, r.root, helm, append(args, "--kubeconfig", r.Kubeconfig, "--namespace", r.Namespace)...)
}

func helmProgram() (string, error) {
	helm := os.Getenv("HELM")
	if helm == "" {
		return "", errors.New("HELM must name the program: run this by make")
	}
	return helm, nil
}
