package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// withoutNulls refuses a podTemplate that says null of anything. In a merge that takes away
// what is generated, but `kubectl apply` leaves it out of what it sends, without a word, so
// that the same file means one thing by apply and another by create. What apply left out is
// still in its annotation.
func withoutNulls(t *v1alpha1.VDITemplate, pod corev1.PodTemplateSpec) error {
	var sent any
	if json.Unmarshal(t.Spec.PodTemplate.Raw, &sent) != nil {
		return nil //nolint:nilerr // merge refuses it, and says why
	}
	meant, paths := sent, nulls(sent, "")
	if len(paths) == 0 {
		meant, paths = droppedByApply(t, sent)
	}
	if len(paths) == 0 || !matters(pod, meant) {
		return nil
	}
	return fmt.Errorf("%s: null is refused, because kubectl apply drops it unseen; say what it is to be instead, such as "+
		"capabilities: {drop: []} for the runtime's own capabilities, or replace the object around it with $patch: replace", named(paths))
}

// matters says that a podTemplate makes another pod with its nulls than without. Those that
// every program writes, creationTimestamp for one, take nothing away.
func matters(pod corev1.PodTemplateSpec, meant any) bool {
	var made [2]corev1.PodTemplateSpec
	for i, v := range []any{meant, pruned(meant)} {
		raw, err := json.Marshal(v)
		if err != nil {
			return true
		}
		if made[i], err = merge(*pod.DeepCopy(), raw); err != nil {
			return false // it is refused for that
		}
	}
	return !equality.Semantic.DeepEqual(made[0], made[1])
}

// droppedByApply is the podTemplate as `kubectl apply` was given it, and the paths of what it
// left out, where it is otherwise as it is now.
func droppedByApply(t *v1alpha1.VDITemplate, sent any) (meant any, paths []string) {
	var written struct {
		Spec struct {
			PodTemplate json.RawMessage `json:"podTemplate"`
		} `json:"spec"`
	}
	if json.Unmarshal([]byte(t.Annotations[corev1.LastAppliedConfigAnnotation]), &written) != nil {
		return nil, nil
	}
	if json.Unmarshal(written.Spec.PodTemplate, &meant) != nil || !reflect.DeepEqual(pruned(meant), sent) {
		return nil, nil // it was changed by other means since
	}
	return meant, nulls(meant, "")
}

// nulls lists the paths of all nulls in v, in order; at is v's own.
func nulls(v any, at string) (paths []string) {
	switch v := v.(type) {
	case nil:
		if at != "" {
			paths = append(paths, at)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			paths = append(paths, nulls(v[name], strings.TrimPrefix(at+"."+name, "."))...)
		}
	case []any:
		for i, inner := range v {
			paths = append(paths, nulls(inner, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return paths
}

// What is named of paths in a message.
const maxNamed, maxNamedLength = 5, 200

func named(paths []string) string {
	more := ""
	if n := len(paths) - maxNamed; n > 0 {
		paths, more = paths[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	short := make([]string, len(paths))
	for i, p := range paths {
		if short[i] = p; len(p) > maxNamedLength {
			short[i] = "…" + p[len(p)-maxNamedLength:]
		}
	}
	return strings.Join(short, ", ") + more
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
