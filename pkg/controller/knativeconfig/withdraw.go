package knativeconfig

import (
	"context"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// withdraw removes from a KnativeServing what manager alone owns and no longer claims,
// and the maps that this leaves empty and nobody else has made.
//
// An apply would remove it too, but puts null where a map becomes empty, which the
// resource's schema refuses (seen with Kubernetes 1.35). The resource version is asked
// for: what somebody changes meanwhile is a conflict, which the next pass reads.
func (p place) withdraw(ctx context.Context, c client.Client, manager client.FieldOwner, values map[string]map[string]string) error {
	all, err := p.owners()
	if err != nil {
		return err
	}
	claimed := map[string]map[string]string{}
	for configMap, data := range values {
		path := p.path(configMap)
		claimed[path[len(path)-1]] = data
	}
	left := func(path ...string) bool { // whether somebody else has it so
		return slices.ContainsFunc(all.of(path...), func(m string) bool { return m != string(manager) })
	}
	config, _, _ := unstructured.NestedMap(p.object.Object, "spec", "config")
	changes := map[string]any{}
	for section := range config {
		keys, _, _ := unstructured.NestedStringMap(p.object.Object, "spec", "config", section)
		gone := map[string]any{}
		for key := range keys {
			_, keep := claimed[section][key]
			if owners := all.of("spec", "config", section, key); !keep && slices.Equal(owners, []string{string(manager)}) {
				gone[key] = nil
			}
		}
		if len(gone) > 0 {
			changes[section] = orNothing(gone, len(keys), len(claimed[section]) > 0 || left("spec", "config", section))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	spec, _, _ := unstructured.NestedMap(p.object.Object, "spec")
	rest := orNothing(changes, len(config), len(values) > 0 || left("spec", "config"))
	rest = orNothing(map[string]any{"config": rest}, len(spec), left("spec"))
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.object.GetUID(), "resourceVersion": p.object.GetResourceVersion()},
		"spec":     rest,
	})
	if err != nil {
		return err
	}
	return c.Patch(ctx, p.object.DeepCopy(), client.RawPatch(types.MergePatchType, patch), manager)
}

// orNothing is a merge patch's changes of a map with this many entries; nil, which removes
// the map, if they remove them all and nothing keeps it.
func orNothing(changes map[string]any, entries int, keep bool) any {
	if keep || len(changes) < entries {
		return changes
	}
	for _, change := range changes {
		if change != nil {
			return changes
		}
	}
	return nil
}
