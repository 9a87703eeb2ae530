package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// explain is the remedy for what no pod has.
const explain = "see `kubectl explain pod.spec` for the fields there are, and what each takes"

// merge lays a template's spec.podTemplate over the generated pod, as kubectl
// lays a strategic merge patch over an object. Errors name the field below
// spec.podTemplate.
func merge(pod corev1.PodTemplateSpec, patch []byte) (corev1.PodTemplateSpec, error) {
	if len(bytes.TrimSpace(patch)) == 0 || bytes.Equal(bytes.TrimSpace(patch), []byte("null")) {
		return pod, nil
	}
	if err := onlyPodTemplateFields(patch); err != nil {
		return pod, err
	}
	generated, err := json.Marshal(pod)
	if err != nil {
		return pod, err
	}
	merged, err := strategicpatch.StrategicMergePatch(generated, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return pod, fmt.Errorf("cannot be merged: %w; %s", err, explain)
	}
	var out corev1.PodTemplateSpec
	unknown, err := kjson.UnmarshalStrict(merged, &out)
	if err != nil {
		return pod, fmt.Errorf("does not make a pod template: %w; %s", err, explain)
	}
	if len(unknown) > 0 {
		return pod, fmt.Errorf("%w; %s", errors.Join(unknown...), explain)
	}
	if !slices.ContainsFunc(out.Spec.Containers, func(c corev1.Container) bool { return c.Name == v1alpha1.ContainerDesktop }) {
		return pod, fmt.Errorf("spec.containers: removes the container %q, which serves the desktop; change its fields instead, by this name", v1alpha1.ContainerDesktop)
	}
	return out, nil
}

func onlyPodTemplateFields(patch []byte) error {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(patch, &top); err != nil {
		return fmt.Errorf("must be an object with metadata and spec: %w", err)
	}
	for name := range top {
		if name != "metadata" && name != "spec" {
			return fmt.Errorf("unknown field %q: only metadata and spec can be set", name)
		}
	}
	return nil
}
