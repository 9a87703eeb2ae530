package cluster

import (
	"context"
	"os"
	"path/filepath"

	"github.com/org/vdi-operator/test/cluster/internal/build"
)

// addOn is what a test asks for beside what Up brings.
type addOn struct {
	name     string
	manifest []byte
	// definitions are the resource definitions in the manifest that a test needs.
	definitions []string
}

// add loads the images into the running cluster and applies the manifest. Nothing is
// written to the cluster's Out, which is for what the caller prints.
func (c *Cluster) add(ctx context.Context, built *artifacts, a addOn) error {
	quiet := *c
	quiet.Out = c.Log
	if err := quiet.Load(ctx, built.archives); err != nil {
		return err
	}
	kubernetes, err := build.Builder{Cache: c.Cache, Log: c.Log}.Binaries(ctx, build.Kubernetes(), "cmd/kubectl")
	if err != nil {
		return err
	}
	client := c.kubectl(kubernetes)
	return within(ctx, applyLimit, func(ctx context.Context) error {
		// Always: whoever asks again may have removed a part of it.
		file := filepath.Join(c.Layout.Manifests(), a.name+".yaml")
		if err := os.WriteFile(file, a.manifest, 0o644); err != nil {
			return err
		}
		if err := client.apply(ctx, file); err != nil {
			return err
		}
		args := []string{"wait", "--for=condition=Established", "--timeout=60s"}
		for _, d := range a.definitions {
			args = append(args, "crd/"+d)
		}
		_, err = client.run(ctx, args...)
		return err
	})
}
