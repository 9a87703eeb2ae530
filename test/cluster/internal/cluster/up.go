package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/test/cluster/internal/controlplane"
	"github.com/org/vdi-operator/test/cluster/internal/debian"
	"github.com/org/vdi-operator/test/cluster/internal/forward"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/network"
	"github.com/org/vdi-operator/test/cluster/internal/node"
	"github.com/org/vdi-operator/test/cluster/internal/preflight"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

const (
	// startLimit is how long a program may take to answer, readyLimit how long all pods may
	// take to be ready. Both are far more than is seen, for machines that are busy.
	startLimit = 2 * time.Minute
	readyLimit = 5 * time.Minute
	// publishPrefix starts the names of the port forwarders.
	publishPrefix   = "publish-"
	publishPatience = time.Second
)

// Up makes the cluster run and be ready, whatever state it was left in.
func (c *Cluster) Up(ctx context.Context) error {
	progress := NewProgress(c.Out)
	if err := preflight.Root(); err != nil {
		return err
	}
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.preflight(); err != nil {
		return err
	}
	err = progress.Step("install Debian packages", func() error {
		_, err := debian.Node(ctx, c.Log)
		return err
	})
	if err != nil {
		return err
	}
	built, err := makeArtifacts(ctx, c.Repo, c.Cache, c.Log, progress)
	if err != nil {
		return err
	}
	if err := c.claimState(); err != nil {
		return err
	}
	if err := controlplane.Files(c.Layout); err != nil {
		return err
	}
	if err := c.group.Create(); err != nil {
		return err
	}
	if err := progress.Step("set up the network", func() error { return network.Up(ctx, c.Layout) }); err != nil {
		return err
	}
	changed, err := c.startPrograms(ctx, built, progress)
	if err != nil {
		return err
	}
	applied, err := c.applyManifests(ctx, built, progress)
	if err != nil {
		return err
	}
	err = progress.Step("wait until everything is ready", func() error {
		return within(ctx, readyLimit, func(ctx context.Context) error { return c.awaitReady(ctx, c.kubectl(built.kubernetes)) })
	})
	if err != nil {
		return err
	}
	if changed || applied {
		fmt.Fprintf(c.Out, "The cluster is up after %.1f s.\n", progress.Seconds())
	} else {
		fmt.Fprintf(c.Out, "The cluster was up already (checked in %.1f s).\n", progress.Seconds())
	}
	fmt.Fprintf(c.Out, "  node       %s (%s)\n  kubeconfig %s\n", layout.NodeName, layout.NodeIP, c.Layout.AdminKubeconfig())
	for _, m := range c.Publish {
		fmt.Fprintf(c.Out, "  published  %s leads to node port %d\n", m.Listen, m.NodePort)
	}
	return nil
}

func (c *Cluster) preflight() error {
	if err := preflight.StatePath(c.Layout); err != nil {
		return err
	}
	if err := preflight.Disk(everythingBuilt(c.Cache), string(c.Cache), c.Layout.Root()); err != nil {
		return err
	}
	if err := preflight.Addresses(); err != nil {
		return err
	}
	return preflight.Ports(c.Publish, c.ours())
}

// claimState marks the state folder as ours before anything is put there.
func (c *Cluster) claimState() error {
	if err := os.MkdirAll(c.Layout.Root(), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(c.Layout.Marker(), []byte("State of a cluster made by \"cluster up\"; \"cluster down\" deletes it.\n"), 0o644); err != nil {
		return err
	}
	for _, dir := range []string{c.Layout.Run(), c.Layout.Volumes(), c.Layout.DevicePlugins(), filepath.Join(c.Layout.Kubelet(), "plugins-exec")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return c.linkDevicePlugins()
}

// linkDevicePlugins leads kubelet's fixed folder for device plugins into the state folder.
func (c *Cluster) linkDevicePlugins() error {
	target := c.Layout.DevicePlugins()
	if to, err := os.Readlink(layout.KubeletDevicePlugins); err == nil && to == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(layout.KubeletDevicePlugins), 0o755); err != nil {
		return err
	}
	_ = os.Remove(layout.KubeletDevicePlugins) // an empty folder or a link that leads nowhere else
	if err := os.Symlink(target, layout.KubeletDevicePlugins); err != nil {
		return fmt.Errorf("%s belongs to another kubelet on this machine: %w (remove it when that kubelet is gone)", layout.KubeletDevicePlugins, err)
	}
	return nil
}

// startPrograms starts what does not run, and reports whether it started anything.
func (c *Cluster) startPrograms(ctx context.Context, built *artifacts, progress *Progress) (changed bool, err error) {
	program := func(name string) string { return filepath.Join(built.kubernetes, name) }
	ensure := func(spec process.Spec) error {
		started, err := c.supervisor.Ensure(spec)
		changed = changed || started
		return err
	}
	await := func(name string, ready func(context.Context) error) error {
		return within(ctx, startLimit, func(ctx context.Context) error { return c.supervisor.Await(ctx, name, ready) })
	}

	etcd, err := exec.LookPath("etcd")
	if err != nil {
		return false, err
	}
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return false, err
	}
	if err := ensure(controlplane.EtcdSpec(c.Layout, etcd)); err != nil {
		return false, err
	}
	containerdSpec, err := node.ContainerdSpec(c.Layout, containerd, built.references["pause"])
	if err != nil {
		return false, err
	}
	if err := ensure(containerdSpec); err != nil {
		return false, err
	}
	// Loading images keeps the disk busy while the API server keeps a processor busy.
	var images errgroup.Group
	images.Go(func() error {
		store := node.Store{Layout: c.Layout}
		if err := await(node.Containerd, store.Ready); err != nil {
			return err
		}
		_, _, err := store.Load(ctx, built.archives...)
		return err
	})
	client := c.kubectl(built.kubernetes)
	err = progress.Step("start etcd and the API server", func() error {
		if err := await(controlplane.Etcd, listening(layout.EtcdClient)); err != nil {
			return err
		}
		if err := ensure(controlplane.APIServerSpec(c.Layout, program(controlplane.APIServer))); err != nil {
			return err
		}
		return await(controlplane.APIServer, func(ctx context.Context) error {
			_, err := client.run(ctx, "get", "--raw=/readyz")
			return err
		})
	})
	if err != nil {
		return false, err
	}
	if err := progress.Step("load images into containerd", images.Wait); err != nil {
		return false, err
	}
	err = progress.Step("start controllers, scheduler, kubelet and kube-proxy", func() error {
		kubeletSpec, err := node.KubeletSpec(c.Layout, program(node.Kubelet), c.group)
		if err != nil {
			return err
		}
		proxySpec, err := node.KubeProxySpec(c.Layout, program(node.KubeProxy))
		if err != nil {
			return err
		}
		for _, spec := range []process.Spec{
			controlplane.ControllerManagerSpec(c.Layout, program(controlplane.ControllerManager)),
			controlplane.SchedulerSpec(c.Layout, program(controlplane.Scheduler)),
			kubeletSpec, proxySpec,
		} {
			if err := ensure(spec); err != nil {
				return err
			}
		}
		for name, port := range map[string]layout.Port{
			controlplane.ControllerManager: layout.ControllerManager, controlplane.Scheduler: layout.Scheduler,
			node.Kubelet: layout.KubeletHealth, node.KubeProxy: layout.ProxyMetrics,
		} {
			if err := await(name, listening(port)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	forwarders, err := c.publish()
	return changed || forwarders, err
}

func isPublisher(name string) bool { return strings.HasPrefix(name, publishPrefix) }

// publish runs one forwarder per published port and ends those no longer asked for.
func (c *Cluster) publish() (changed bool, err error) {
	wanted := map[string]forward.Mapping{}
	for _, m := range c.Publish {
		wanted[publishPrefix+strings.NewReplacer(":", "-", "[", "", "]", "").Replace(m.Listen)] = m
	}
	for _, r := range c.table.All() {
		if _, ok := wanted[r.Name]; !ok && isPublisher(r.Name) {
			if err := c.table.End(r.Name, publishPatience); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	for name, m := range wanted {
		target := layout.Port{Number: m.NodePort}.Address()
		started, err := c.supervisor.Ensure(process.Spec{
			Name: name, Patience: publishPatience,
			Command: []string{c.Self, "forward", m.Listen, target},
			// An "up" from another checkout must not cut the connections of this one.
			AnyProgram: true,
		})
		if err != nil {
			return changed, err
		}
		changed = changed || started
	}
	return changed, nil
}
