package addons

import (
	"context"

	"github.com/org/vdi-operator/test/cluster/internal/build"
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
	return gathered(ctx, b, build.Traefik(), "traefik", these(traefikDefinitions), map[string]choice{gatewayAPI: folder(gatewayDefinitions)})
}
