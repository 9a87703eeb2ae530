package addons

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"

	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/cache"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

const (
	// traefikDefinitions are Traefik's own resource definitions, in its module.
	traefikDefinitions = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
	// gatewayAPI is the module with those of the Gateway API, and gatewayDefinitions their
	// folder; Traefik's go.mod says which version it serves.
	gatewayAPI         = "sigs.k8s.io/gateway-api"
	gatewayDefinitions = "config/crd/standard"
)

// TraefikDefinitions returns the resource definitions that Traefik serves, its own and the
// Gateway API's, as one file in the cache.
func TraefikDefinitions(ctx context.Context, b build.Builder) (string, error) {
	final := b.Cache.Path("manifests", "traefik-"+versions.Traefik+".yaml")
	if cache.Has(final) {
		return final, nil
	}
	m := build.Traefik()
	dir, goMod, err := b.Download(ctx, m.Path, m.Version)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	requirements, err := modfile.ParseLax(goMod, raw, nil)
	if err != nil {
		return "", err
	}
	files := []string{filepath.Join(dir, traefikDefinitions)}
	for _, r := range requirements.Require {
		if r.Mod.Path != gatewayAPI {
			continue
		}
		api, _, err := b.Download(ctx, r.Mod.Path, r.Mod.Version)
		if err != nil {
			return "", err
		}
		found, err := yamlFiles(filepath.Join(api, gatewayDefinitions))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	if len(files) == 1 {
		return "", fmt.Errorf("%s %s does not require %s any more", m.Path, m.Version, gatewayAPI)
	}
	var stream bytes.Buffer
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&stream, "\n---\n%s", raw)
	}
	return final, publish(b.Cache, final, stream.Bytes())
}
