package cluster

import (
	"context"
	"os"
	"path/filepath"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
	"github.com/org/vdi-operator/test/cluster/internal/build"
)

// Traefik loads Traefik's image into the running cluster, applies the resource
// definitions that it serves, and returns the image's reference. It deploys nothing.
func (c *Cluster) Traefik(ctx context.Context) (reference string, err error) {
	if _, err := c.Kubeconfig(); err != nil {
		return "", err
	}
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	built, err := c.traefik(ctx)
	if err != nil {
		return "", err
	}
	// What is loaded is told to the person; standard output is for the reference.
	quiet := *c
	quiet.Out = c.Log
	if err := quiet.Load(ctx, built.archives); err != nil {
		return "", err
	}
	definitions, err := addons.TraefikDefinitions(ctx, b)
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(definitions)
	if err != nil {
		return "", err
	}
	kubernetes, err := b.Binaries(ctx, build.Kubernetes(), "cmd/kubectl")
	if err != nil {
		return "", err
	}
	client := c.kubectl(kubernetes)
	err = within(ctx, applyLimit, func(ctx context.Context) error {
		if _, err := c.applyOnce(ctx, client, "Traefik resource definitions", content); err != nil {
			return err
		}
		_, err := client.run(ctx, "wait", "--for=condition=Established", "--timeout=60s", "crd/ingressroutes.traefik.io", "crd/httproutes.gateway.networking.k8s.io")
		return err
	})
	return built.references["traefik"], err
}

// traefik builds what the cache lacks of it.
func (c *Cluster) traefik(ctx context.Context) (*artifacts, error) {
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	dir, err := b.Binaries(ctx, build.Traefik())
	if err != nil {
		return nil, err
	}
	a := &artifacts{references: map[string]string{}}
	return a, a.addImage(c.Cache, part{"traefik", filepath.Join(dir, "traefik"), "/traefik", nonRoot})
}
