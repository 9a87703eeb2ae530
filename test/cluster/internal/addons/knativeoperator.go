package addons

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// knativeOperatorFiles are the Knative Operator's manifests, without its webhook's.
var knativeOperatorFiles = these(
	"config/000-namespace.yaml",
	"config/crd/bases/operator.knative.dev_knativeservings.yaml",
	"config/crd/bases/operator.knative.dev_knativeeventings.yaml", // it starts with both only
	"config/rbac/service_account.yaml", "config/rbac/role.yaml", "config/rbac/role_binding.yaml",
	"config/rbac/clusterrole_aggregated.yaml", "config/rbac/clusterrole_aggregated_binding.yaml",
	"config/manager/config-logging-configmap.yaml", "config/manager/config-observability-configmap.yaml", "config/manager/operator.yaml",
)

// KnativeOperatorSources returns the Knative Operator's published manifests as one file in
// the cache.
func KnativeOperatorSources(ctx context.Context, b build.Builder) (string, error) {
	return gathered(ctx, b, build.KnativeOperator(), "knative-operator", knativeOperatorFiles, nil)
}

// KnativeOperator adapts the published manifests. Without the webhook nothing converts
// resources; there is one version of them.
func KnativeOperator(published []byte, image string) ([]byte, error) {
	objects, err := parse(published)
	if err != nil {
		return nil, err
	}
	replacer := strings.NewReplacer("ko://knative.dev/operator/cmd/operator", image)
	for _, o := range objects {
		replaceAll(o, replacer)
		setVersion(o, versions.KnativeOperator)
		if o.isWorkload() {
			fit(o)
		}
		if o.kind() == "CustomResourceDefinition" {
			child(o, "spec")["conversion"] = map[string]any{"strategy": "None"}
		}
	}
	return render(objects)
}

// KnativeServing is the resource by which the Knative Operator installs Serving as modestly
// as Knative does here, without an ingress. images are as for Knative.
func KnativeServing(images map[string]string) ([]byte, error) {
	override := map[string]any{}
	var workloads []any
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if name == "queue" { // runs beside every user's container
			continue
		}
		override[path.Join(name, name)] = images[name]
		workloads = append(workloads, map[string]any{
			"name": name,
			"resources": []any{map[string]any{
				"container": name, "requests": map[string]any{"cpu": knativeCPU},
			}},
		})
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "operator.knative.dev/v1beta1",
		"kind":       "KnativeServing",
		"metadata":   map[string]any{"name": KnativeNamespace, "namespace": KnativeNamespace},
		"spec": map[string]any{
			"version":           versions.KnativeRelease,
			"ingress":           map[string]any{"istio": map[string]any{"enabled": false}},
			"high-availability": map[string]any{"replicas": 1},
			"registry":          map[string]any{"override": override},
			"workloads":         workloads,
			"config":            map[string]any{"deployment": map[string]any{"queue-sidecar-image": images["queue"]}},
		},
	})
}
