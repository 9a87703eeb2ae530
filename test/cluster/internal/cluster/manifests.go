package cluster

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
)

// applyLimit is how long one manifest may take to be accepted.
const applyLimit = 2 * time.Minute

// resolvConf names the machine's own name servers.
const resolvConf = "/etc/resolv.conf"

// applyManifests applies what differs from what was applied before, and reports whether
// anything did. What people have changed in the cluster since is theirs to keep.
func (c *Cluster) applyManifests(ctx context.Context, built *artifacts, progress *Progress) (applied bool, err error) {
	coredns, err := addons.CoreDNS(built.references["coredns"], addons.Resolvers(resolvConf))
	if err != nil {
		return false, err
	}
	plugin, err := addons.DevicePlugin(built.references["deviceplugin"], c.GPUs, c.Layout.DevicePlugins())
	if err != nil {
		return false, err
	}
	published, err := os.ReadFile(built.localPath)
	if err != nil {
		return false, err
	}
	localPath, err := addons.LocalPath(published, built.references["local-path-provisioner"], built.references["volume"], c.Layout.Volumes())
	if err != nil {
		return false, err
	}
	if published, err = os.ReadFile(built.knative); err != nil {
		return false, err
	}
	definitions, knative, err := addons.Knative(published, built.knativeImages())
	if err != nil {
		return false, err
	}
	client := c.kubectl(built.kubernetes)
	for _, m := range []struct {
		name    string
		content []byte
		then    func(context.Context) error
	}{
		{"DNS", coredns, nil},
		{"GPU device plugin", plugin, nil},
		{"storage", localPath, nil},
		{"Knative resource definitions", definitions, func(ctx context.Context) error {
			_, err := client.run(ctx, "wait", "--for=condition=Established", "crd", "--selector=app.kubernetes.io/name=knative-serving", "--timeout=60s")
			return err
		}},
		{"Knative Serving", knative, nil},
	} {
		err := progress.Step("apply "+m.name, func() error {
			return within(ctx, applyLimit, func(ctx context.Context) error {
				changed, err := c.applyOnce(ctx, client, m.name, m.content)
				if err != nil || !changed {
					return err
				}
				applied = true
				if m.then != nil {
					return m.then(ctx)
				}
				return nil
			})
		})
		if err != nil {
			return applied, err
		}
	}
	return applied, nil
}

// applyOnce applies content unless it is what was applied last. The record is written
// after the API server has accepted it.
func (c *Cluster) applyOnce(ctx context.Context, client kubectl, name string, content []byte) (bool, error) {
	record := filepath.Join(c.Layout.Manifests(), name+".yaml")
	if before, err := os.ReadFile(record); err == nil && bytes.Equal(before, content) {
		return false, nil
	}
	if err := os.MkdirAll(c.Layout.Manifests(), 0o755); err != nil {
		return false, err
	}
	fresh := record + ".new"
	if err := os.WriteFile(fresh, content, 0o644); err != nil {
		return false, err
	}
	if err := client.apply(ctx, fresh); err != nil {
		return false, err
	}
	return true, os.Rename(fresh, record)
}
