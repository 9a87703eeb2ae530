package workload

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// withoutNulls refuses a podTemplate that says null of anything. In a merge that takes away
// what is generated, but `kubectl apply` leaves it out of what it sends, without a word, so
// that the same file means one thing by apply and another by create. What apply left out is
// still in its annotation.
func withoutNulls(t *v1alpha1.VDITemplate) error {
	sent, err := decoded(t.Spec.PodTemplate.Raw)
	if err != nil {
		return nil // it is refused for that
	}
	paths := nulls(sent, "")
	if len(paths) == 0 {
		paths = droppedByApply(t, sent)
	}
	if len(paths) == 0 {
		return nil
	}
	return fmt.Errorf("%s: null is refused, because kubectl apply drops it unseen; say what it is to be instead, such as "+
		"capabilities: {drop: []} for the runtime's own capabilities, or replace the object around it with $patch: replace", strings.Join(paths, ", "))
}

// droppedByApply lists what `kubectl apply` left out of the podTemplate as it is now.
func droppedByApply(t *v1alpha1.VDITemplate, sent any) []string {
	var written struct {
		Spec struct {
			PodTemplate json.RawMessage `json:"podTemplate"`
		} `json:"spec"`
	}
	if json.Unmarshal([]byte(t.Annotations[corev1.LastAppliedConfigAnnotation]), &written) != nil {
		return nil
	}
	meant, err := decoded(written.Spec.PodTemplate)
	if err != nil {
		return nil
	}
	paths := nulls(meant, "")
	if !reflect.DeepEqual(pruned(meant), sent) {
		return nil // it was changed by other means since
	}
	return paths
}

func decoded(raw []byte) (v any, err error) {
	err = json.Unmarshal(raw, &v)
	return v, err
}

// nulls lists the paths of all nulls in v, in order; at is v's own.
func nulls(v any, at string) (paths []string) {
	switch v := v.(type) {
	case nil:
		if at != "" {
			paths = append(paths, at)
		}
	case map[string]any:
		for name, inner := range v {
			paths = append(paths, nulls(inner, strings.TrimPrefix(at+"."+name, "."))...)
		}
	case []any:
		for i, inner := range v {
			paths = append(paths, nulls(inner, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	slices.Sort(paths)
	return paths
}

// pruned is v without the fields that are null.
func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			if inner != nil {
				out[name] = pruned(inner)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = pruned(inner)
		}
		return out
	}
	return v
}
