package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/helm"
)

// knativeOperator is the name of the Knative Operator's Deployment and of its namespace.
const knativeOperator = "knative-operator"

// knativeOperatorsClient is the field manager under which it writes.
const knativeOperatorsClient = "manifestival"

// KnativeOperator deploys the Knative Operator in the test cluster and returns a
// KnativeServing with which it takes over the Knative that is there. The first time takes
// minutes: it is built.
func (in *Installation) KnativeOperator(ctx context.Context) (*unstructured.Unstructured, error) {
	if in.PortForward {
		return nil, ErrNotOurs
	}
	out, err := Output(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), "knative-operator")
	if err != nil {
		return nil, err
	}
	objects, err := helm.Objects(out)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("cluster knative-operator printed %d objects, want a KnativeServing: %s", len(objects), out)
	}
	return objects[0], nil
}

// WithoutKnativeOperator takes the Knative Operator and its resource away, and what it has
// set in the configuration. Knative stays, as if it had been installed by YAML.
func (in *Installation) WithoutKnativeOperator(ctx context.Context, serving *unstructured.Unstructured) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: knativeOperator, Name: knativeOperator}}
	if err := client.IgnoreNotFound(in.Client.Delete(ctx, d)); err != nil {
		return err
	}
	// It would uninstall Knative when its resource goes.
	err := eventually.Wait(ctx, "the Knative Operator to end", func() error {
		var pods corev1.PodList
		if err := in.Client.List(ctx, &pods, client.InNamespace(knativeOperator)); err != nil {
			return err
		}
		if n := len(pods.Items); n > 0 {
			return fmt.Errorf("%d pods", n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := in.Client.Patch(ctx, serving.DeepCopy(), patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := in.Client.Delete(ctx, serving, client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		return client.IgnoreNotFound(err)
	}
	var list corev1.ConfigMapList
	err = eventually.Wait(ctx, "Knative's configuration to belong to nobody", func() error {
		if err := in.Client.List(ctx, &list, client.InNamespace(serving.GetNamespace())); err != nil {
			return err
		}
		for i := range list.Items {
			if cm := &list.Items[i]; len(cm.OwnerReferences) > 0 {
				return fmt.Errorf("config map %s has an owner", cm.Name)
			}
		}
		return nil
	})
	for i := range list.Items {
		// Those that this product has keys in.
		if cm := &list.Items[i]; cm.Name == "config-features" || cm.Name == "config-autoscaler" {
			err = errors.Join(err, in.forget(ctx, cm, knativeOperatorsClient))
		}
	}
	return err
}

// forget takes away the keys of a config map that a manager has set by updates.
func (in *Installation) forget(ctx context.Context, cm *corev1.ConfigMap, manager string) error {
	keys := map[string]any{}
	for _, entry := range cm.ManagedFields {
		if entry.Manager != manager || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Data map[string]any `json:"f:data"`
		}
		if err := json.Unmarshal(entry.FieldsV1.Raw, &fields); err != nil {
			return err
		}
		for field := range fields.Data {
			if key, ok := strings.CutPrefix(field, "f:"); ok && !strings.HasPrefix(key, "_") { // _example
				keys[key] = nil
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"data": keys})
	if err != nil {
		return err
	}
	return in.Client.Patch(ctx, cm, client.RawPatch(types.MergePatchType, patch))
}
