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
	built, err := c.traefik(ctx)
	if err != nil {
		return "", err
	}
	definitions, err := addons.TraefikDefinitions(ctx, build.Builder{Cache: c.Cache, Log: c.Log})
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(definitions)
	if err != nil {
		return "", err
	}
	return built.references["traefik"], c.add(ctx, built, addOn{
		name: "Traefik resource definitions", manifest: content,
		definitions: []string{"ingressroutes.traefik.io", "httproutes.gateway.networking.k8s.io"},
	})
}

// traefik builds what the cache lacks of it.
func (c *Cluster) traefik(ctx context.Context) (*artifacts, error) {
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	dir, err := b.Binaries(ctx, build.Traefik())
	if err != nil {
		return nil, err
	}
	a := &artifacts{references: map[string]string{}}
	return a, a.addImage(c.Cache, part{name: "traefik", program: filepath.Join(dir, "traefik"), path: "/traefik", user: nonRoot})
}
