package cluster

import (
	"context"
	"os"
	"path"
	"path/filepath"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// koData is where a program that was packed by ko finds its files, and koDataVariable
// tells it so.
const (
	koData         = "/var/run/ko"
	koDataVariable = "KO_DATA_PATH"
)

// releaseFiles are those of a Serving release that the Knative Operator installs here:
// the autoscaler by processor load and the jobs after an upgrade need images that are
// not built.
var releaseFiles = []string{"1-serving-crds.yaml", "2-serving-core.yaml"}

// KnativeOperator deploys the Knative Operator in the running cluster and returns a
// KnativeServing, as YAML, by which it takes over the Knative Serving that is there. It
// applies no such resource itself.
func (c *Cluster) KnativeOperator(ctx context.Context) (serving []byte, err error) {
	if _, err := c.Kubeconfig(); err != nil {
		return nil, err
	}
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	built, err := c.knativeOperator(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := knativeParts(ctx, b)
	if err != nil {
		return nil, err
	}
	knative := &artifacts{references: map[string]string{}} // loaded by Up
	for _, p := range parts {
		if err := knative.addImage(c.Cache, p); err != nil {
			return nil, err
		}
	}
	published, err := addons.KnativeOperatorSources(ctx, b)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(published)
	if err != nil {
		return nil, err
	}
	manifest, err := addons.KnativeOperator(content, built.references["knative-operator"])
	if err != nil {
		return nil, err
	}
	if err := c.add(ctx, built, addOn{
		name: "Knative Operator", manifest: manifest, definitions: []string{"knativeservings.operator.knative.dev"},
	}); err != nil {
		return nil, err
	}
	return addons.KnativeServing(knative.knativeImages())
}

// knativeOperator builds what the cache lacks of it.
func (c *Cluster) knativeOperator(ctx context.Context) (*artifacts, error) {
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	m := build.KnativeOperator()
	programs, err := b.Binaries(ctx, m)
	if err != nil {
		return nil, err
	}
	sources, _, err := b.Download(ctx, m.Path, m.Version)
	if err != nil {
		return nil, err
	}
	data := map[string]string{}
	for _, name := range releaseFiles {
		file := path.Join("knative-serving", versions.KnativeRelease, name)
		data[path.Join(koData, file)] = filepath.Join(sources, "cmd", "operator", "kodata", filepath.FromSlash(file))
	}
	a := &artifacts{references: map[string]string{}}
	return a, a.addImage(c.Cache, part{
		name: "knative-operator", program: filepath.Join(programs, "operator"), path: "/ko-app/operator", user: nonRoot,
		data: data, env: []string{koDataVariable + "=" + koData},
	})
}
