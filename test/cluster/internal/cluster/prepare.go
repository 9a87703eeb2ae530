package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/debian"
	"github.com/org/vdi-operator/test/cluster/internal/node"
	"github.com/org/vdi-operator/test/cluster/internal/preflight"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// Build makes everything Up needs, without starting anything.
func (c *Cluster) Build(ctx context.Context) error {
	if err := preflight.Disk(everythingBuilt(c.Cache), string(c.Cache)); err != nil {
		return err
	}
	progress := NewProgress(c.Out)
	if _, err := makeArtifacts(ctx, c.Repo, c.Cache, c.Log, progress); err != nil {
		return err
	}
	for _, extra := range []struct {
		name  string
		build func(context.Context) (*artifacts, error)
	}{
		{"Traefik " + versions.Traefik, c.traefik},
		{"the Knative Operator " + versions.KnativeOperator, c.knativeOperator},
	} {
		err := progress.Step("build "+extra.name, func() error {
			_, err := extra.build(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out, "Everything is built after %.1f s.\n", progress.Seconds())
	return nil
}

// Assets returns a folder with kube-apiserver, etcd and kubectl, as tests against a bare API
// server want them.
func (c *Cluster) Assets(ctx context.Context) (string, error) {
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	programs, err := b.Binaries(ctx, build.Kubernetes(), "cmd/kube-apiserver", "cmd/kubectl")
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("etcd"); err != nil {
		if err := preflight.Root(); err != nil {
			return "", fmt.Errorf("etcd is not installed: %w", err)
		}
		if _, err := debian.Etcd(ctx, c.Log); err != nil {
			return "", err
		}
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		return "", err
	}
	dir := c.Cache.Path("assets", filepath.Base(programs))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, target := range map[string]string{
		"kube-apiserver": filepath.Join(programs, "kube-apiserver"), "kubectl": filepath.Join(programs, "kubectl"), "etcd": etcd,
	} {
		if err := link(target, filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// link makes or replaces a symbolic link in one step.
func link(target, name string) error {
	half := fmt.Sprintf("%s.%d.tmp", name, os.Getpid())
	if err := os.Symlink(target, half); err != nil {
		return err
	}
	return os.Rename(half, name)
}

// Load imports images into the running cluster.
func (c *Cluster) Load(ctx context.Context, archives []string) error {
	if r, ok := c.table.Read(node.Containerd); !ok || !r.Alive() {
		return fmt.Errorf("%s does not run: run cluster up first", node.Containerd)
	}
	imported, present, err := node.Store{Layout: c.Layout}.Load(ctx, archives...)
	for _, reference := range imported {
		fmt.Fprintf(c.Out, "loaded %s\n", reference)
	}
	for _, reference := range present {
		fmt.Fprintf(c.Out, "already there %s\n", reference)
	}
	return err
}
