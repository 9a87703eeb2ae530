// Package helm runs Helm for tests: what the chart renders, and releases of it in a
// cluster.
package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// Chart is this tree's chart.
	Chart = "charts/vdi-operator"
	// KubeVersion is the version of the cluster for which Template renders.
	KubeVersion = "v1.35.4"
	// timeout covers what Helm waits for on a slow machine.
	timeout = "5m"
	// programVariable names Helm; the Makefile sets it.
	programVariable = "HELM"
	// interruptPatience is how long Helm may clean up after an interrupt.
	interruptPatience = 10 * time.Second
)

// Root is the tree that this package is in. Helm runs there, so that paths below it can
// be given as they are.
var Root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/org/vdi-operator").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
})

// Program is Helm.
func Program() (string, error) {
	program := os.Getenv(programVariable)
	if program == "" {
		return "", fmt.Errorf("%s must name the program: run this by make", programVariable)
	}
	return program, nil
}

// Release is an installation of the chart as its administrator handles it.
type Release struct {
	Name, Namespace string
	// Kubeconfig says who the administrator is, and where. Empty: no cluster, whatever
	// this machine has.
	Kubeconfig string
}

// Helm runs any of its commands for the release's namespace and returns what it printed.
// The error says what Helm said. A flag --namespace among the arguments wins.
func (r Release) Helm(ctx context.Context, args ...string) (string, error) {
	program, err := Program()
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	kubeconfig := r.Kubeconfig
	if kubeconfig == "" {
		kubeconfig = os.DevNull
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"--namespace", r.Namespace}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &errs
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptPatience
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()+out.String()))
	}
	return out.String(), nil
}

// Template returns what the chart renders; flags are further ones of helm template.
func (r Release) Template(ctx context.Context, flags ...string) (string, error) {
	return r.Helm(ctx, append([]string{"template", r.Name, Chart, "--kube-version", KubeVersion}, flags...)...)
}

// Upgrade installs or upgrades the release to a chart and waits until it runs; flags are
// further ones of helm upgrade.
func (r Release) Upgrade(ctx context.Context, chart string, flags ...string) error {
	_, err := r.Helm(ctx, append([]string{"upgrade", r.Name, chart, "--install", "--wait", "--timeout", timeout}, flags...)...)
	return err
}

// Rollback goes back to an earlier revision.
func (r Release) Rollback(ctx context.Context, revision int) error {
	_, err := r.Helm(ctx, "rollback", r.Name, strconv.Itoa(revision), "--wait", "--timeout", timeout)
	return err
}

// Test runs helm test and returns what it printed, logs included.
func (r Release) Test(ctx context.Context) (string, error) {
	return r.Helm(ctx, "test", r.Name, "--logs", "--timeout", timeout)
}

// Uninstall removes the release and returns what Helm printed; flags are further ones of
// helm uninstall.
func (r Release) Uninstall(ctx context.Context, flags ...string) (string, error) {
	return r.Helm(ctx, append([]string{"uninstall", r.Name, "--wait", "--timeout", timeout}, flags...)...)
}
