package knativeconfig

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var (
	configMapKind      = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	knativeServingKind = schema.GroupVersionKind{Group: "operator.knative.dev", Version: "v1beta1", Kind: "KnativeServing"}
)

// place is an object in which keys are set, and the requirements that are met there: a
// config map for itself, or for all of them the KnativeServing of which the Knative
// Operator writes them.
type place struct {
	object       *unstructured.Unstructured
	requirements []requirement
}

func (p place) String() string { return p.object.GetKind() + " " + p.object.GetName() }

// path leads to the keys of a config map in the object.
func (p place) path(configMap string) []string {
	if p.object.GetKind() == configMapKind.Kind {
		return []string{"data"}
	}
	return []string{"spec", "config", section(p.object, configMap)}
}

// section is a config map's name in a KnativeServing, where the prefix may be missing;
// the Knative Operator reads the full name alone where both are there (v0.50.0,
// pkg/reconciler/common/config_maps.go).
func section(serving *unstructured.Unstructured, configMap string) string {
	if _, found, _ := unstructured.NestedFieldNoCopy(serving.Object, "spec", "config", configMap); found {
		return configMap
	}
	const prefix = "config-"
	return configMap[len(prefix):]
}

// data is what is set for a config map.
func (p place) data(configMap string) map[string]string {
	// The API server's schemas let nothing but strings in.
	data, _, _ := unstructured.NestedStringMap(p.object.Object, p.path(configMap)...)
	return data
}

// owners are the managers of the object's fields, in the order in which the API server
// has them. One manager can be there twice: by applying and by updating.
func (p place) owners() (owners, error) {
	var all owners
	for _, entry := range p.object.GetManagedFields() {
		if entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		fields := &fieldpath.Set{}
		if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.Raw)); err != nil {
			return nil, fmt.Errorf("the managed fields of %s: %w", p, err)
		}
		all = append(all, owner{manager: entry.Manager, applies: entry.Operation == metav1.ManagedFieldsOperationApply, fields: fields})
	}
	return all, nil
}

// apply claims the values, by config map, and gives back what was claimed before and is
// not among them. An object that has gone meanwhile is not made anew: its UID is asked for.
func (p place) apply(ctx context.Context, c client.Client, manager client.FieldOwner, values map[string]map[string]string) error {
	if p.object.GetKind() == knativeServingKind.Kind {
		if err := p.withdraw(ctx, c, manager, values); err != nil {
			return err
		}
	}
	claim := bare(p.object)
	for configMap, data := range values {
		if len(data) == 0 {
			continue
		}
		if err := unstructured.SetNestedStringMap(claim.Object, data, p.path(configMap)...); err != nil {
			return err
		}
	}
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(claim), manager)
}

// bare is the claim of nothing on an object.
func bare(o *unstructured.Unstructured) *unstructured.Unstructured {
	claim := &unstructured.Unstructured{}
	claim.SetGroupVersionKind(o.GroupVersionKind())
	claim.SetNamespace(o.GetNamespace())
	claim.SetName(o.GetName())
	claim.SetUID(o.GetUID())
	return claim
}

// owner is a manager of an object's fields.
type owner struct {
	manager string
	applies bool
	fields  *fieldpath.Set
}

type owners []owner

// of lists who owns a field, each once.
func (o owners) of(path ...string) []string {
	parts := make([]any, len(path))
	for i := range path {
		parts[i] = path[i]
	}
	field := fieldpath.MakePathOrDie(parts...)
	var managers []string
	for _, owner := range o {
		if owner.fields.Has(field) && !slices.Contains(managers, owner.manager) {
			managers = append(managers, owner.manager)
		}
	}
	return managers
}

// claims is whether a manager has applied anything.
func (o owners) claims(manager client.FieldOwner) bool {
	return slices.ContainsFunc(o, func(owner owner) bool { return owner.applies && owner.manager == string(manager) })
}

// writer is the Knative Operator's resource that a config map is written from, "" if
// none is.
func writer(configMap *unstructured.Unstructured) string {
	for _, ref := range configMap.GetOwnerReferences() {
		version, err := schema.ParseGroupVersion(ref.APIVersion)
		if err == nil && version.Group == knativeServingKind.Group && ref.Kind == knativeServingKind.Kind {
			return ref.Name
		}
	}
	return ""
}

func get(ctx context.Context, c client.Client, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	return o, c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
}
