package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/org/vdi-operator/test/helm"
	"github.com/org/vdi-operator/test/platform/env"
)

// platform is the way from this tree to a running installation.
type platform struct {
	root string
	// cluster and builder are programs.
	cluster, builder string
	// kubeconfig is the user's own cluster's; empty for the test cluster.
	kubeconfig, registry string
	// platforms are what its nodes run on, empty for all that images can be built for; insecure
	// is a registry without TLS.
	platforms string
	insecure  bool
	// knative is whether desktops are to run on Knative.
	knative bool
	// broughtCluster says that the cluster did not run before.
	broughtCluster bool
}

func newPlatform() (*platform, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	p := &platform{root: root, cluster: os.Getenv("CLUSTER"), builder: os.Getenv("BUILDER"),
		kubeconfig: os.Getenv("KUBECONFIG"), registry: os.Getenv("VDI_REGISTRY"),
		platforms: os.Getenv("PLATFORMS"), insecure: os.Getenv("INSECURE") == "true"}
	if p.knative, err = knative(os.Getenv("VDI_KNATIVE")); err != nil {
		return nil, err
	}
	if p.cluster == "" || p.builder == "" {
		return nil, errors.New("CLUSTER and BUILDER must name the programs: run this by make")
	}
	if _, err := helm.Program(); err != nil {
		return nil, err
	}
	if p.kubeconfig != "" && p.registry == "" {
		return nil, errors.New("KUBECONFIG names a cluster of yours, which needs images from a registry: set REGISTRY to one that you can push to and it can pull from, or unset KUBECONFIG to use the test cluster")
	}
	return p, nil
}

// knative reads VDI_KNATIVE; where it is empty, it is the chart's default.
func knative(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("VDI_KNATIVE is %q: set it to false for desktops on plain Deployments, or leave it out", value)
	}
	return on, nil
}

func (p *platform) own() bool { return p.kubeconfig == "" }

func (p *platform) up(ctx context.Context) error {
	if p.own() {
		p.broughtCluster = p.command(ctx, p.cluster, "status").Run() != nil
		if err := step("cluster", func() error { return p.loud(ctx, p.cluster, "up") }); err != nil {
			return err
		}
	}
	var images []string
	err := step("images", func() (err error) {
		images, err = p.images(ctx)
		return err
	})
	if err != nil {
		return err
	}
	kubeconfig, err := p.kubeconfigPath(ctx)
	if err != nil {
		return err
	}
	e := env.Env{Kubeconfig: kubeconfig, SystemNamespace: systemNamespace, Knative: p.knative, Address: env.DefaultAddress,
		DesktopImage: byName(images, "vdi-desktop"), BenchImage: byName(images, "vdi-bench-backend"), PortForward: !p.own(),
		Settings: p.settings(images)}
	if err := step("chart", func() error { return p.install(ctx, e) }); err != nil {
		return err
	}
	return env.Save(p.root, e)
}

func (p *platform) run(ctx context.Context, command []string) error {
	if err := p.up(ctx); err != nil {
		return errors.Join(err, p.takeDownBrought())
	}
	err := p.loud(ctx, command[0], command[1:]...)
	return errors.Join(err, p.takeDownBrought())
}

// takeDownBrought ends the cluster if it did not run before; with it goes all else.
func (p *platform) takeDownBrought() error {
	if !p.broughtCluster {
		return nil
	}
	// Also after an interrupt.
	ctx := context.Background()
	return step("cluster down", func() error { return p.loud(ctx, p.cluster, "down") })
}

func (p *platform) down(ctx context.Context) error {
	if !p.own() {
		return step("chart", func() error { return p.uninstall(ctx) })
	}
	return step("cluster down", func() error { return p.loud(ctx, p.cluster, "down") })
}

func (p *platform) kubeconfigPath(ctx context.Context) (string, error) {
	if !p.own() {
		return p.kubeconfig, nil
	}
	out, err := p.quiet(ctx, p.cluster, "kubeconfig")
	return strings.TrimSpace(out), err
}

func (p *platform) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.root
	// An interrupt reaches the command too; it gets the time to clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// loud runs a command whose output is for the person.
func (p *platform) loud(ctx context.Context, name string, args ...string) error {
	cmd := p.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// quiet runs a command whose output is for us.
func (p *platform) quiet(ctx context.Context, name string, args ...string) (string, error) {
	var errs bytes.Buffer
	cmd := p.command(ctx, name, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}
