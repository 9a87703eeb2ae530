package workload

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// drifted says that somebody else has changed an object: it lacks something of what was
// desired. What the API server has added is no difference.
func (a applied[T]) drifted(existing, desired T) (bool, error) {
	var has, wants any
	for from, to := range map[any]*any{existing: &has, desired: &wants} {
		raw, err := json.Marshal(a.spec(from.(T)))
		if err == nil {
			err = json.Unmarshal(raw, to)
		}
		if err != nil {
			return false, fmt.Errorf("compare %s %s with what it should be: %w", a.what, desired.GetName(), err)
		}
	}
	return !includes(has, wants), nil
}

// rounded is a pod's spec with its quantities as the API server keeps them: to a thousandth.
func rounded(spec corev1.PodSpec) corev1.PodSpec {
	spec = *spec.DeepCopy()
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, list := range []corev1.ResourceList{containers[i].Resources.Limits, containers[i].Resources.Requests} {
				for name, quantity := range list {
					quantity.RoundUp(resource.Milli)
					list[name] = quantity
				}
			}
		}
	}
	return spec
}

// includes says that a value decoded from JSON has all that another one wants. Lists are as
// long as they should be.
func includes(has, wants any) bool {
	switch wants := wants.(type) {
	case map[string]any:
		object, ok := has.(map[string]any)
		ok = ok || len(wants) == 0
		for key, value := range wants {
			ok = ok && includes(object[key], value)
		}
		return ok
	case []any:
		list, ok := has.([]any)
		ok = ok && len(list) == len(wants)
		for i := range wants {
			ok = ok && includes(list[i], wants[i])
		}
		return ok
	default:
		return has == wants
	}
}
