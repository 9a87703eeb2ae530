// Package backup writes the API objects of sessions to a file and makes them anew from
// it: templates, sessions, the claims of homes and, where asked, the installation's keys.
//
// It keeps what people have written and nothing that a cluster has added, so that a file
// is good for another cluster. It does not know what is in homes: that is for volume
// snapshots. Objects are not read into this program's types, so that it loses no field
// that it does not know.
package backup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var (
	templateKind = v1alpha1.GroupVersion.WithKind("VDITemplate")
	sessionKind  = v1alpha1.GroupVersion.WithKind(v1alpha1.KindSession)
	homeKind     = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	secretKind   = corev1.SchemeGroupVersion.WithKind("Secret")
)

// order is in which they are made: first what others refer to.
var order = []schema.GroupKind{secretKind.GroupKind(), templateKind.GroupKind(), homeKind.GroupKind(), sessionKind.GroupKind()}

func rank(o *unstructured.Unstructured) int {
	return slices.Index(order, o.GroupVersionKind().GroupKind())
}

func is(o *unstructured.Unstructured, kind schema.GroupVersionKind) bool {
	return o.GroupVersionKind().GroupKind() == kind.GroupKind()
}

func only(objects []*unstructured.Unstructured, kind schema.GroupVersionKind) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool { return !is(o, kind) })
}

// name is an object's kind and name, for people.
func name(o *unstructured.Unstructured) string {
	if ns := o.GetNamespace(); ns != "" {
		return fmt.Sprintf("%s %s/%s", o.GetKind(), ns, o.GetName())
	}
	return o.GetKind() + " " + o.GetName()
}

// clustersAnnotations begin the annotations by which a cluster remembers what it did.
var clustersAnnotations = []string{"kubectl.kubernetes.io/", "pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/"}

// clean is what people have written of an object.
func clean(o *unstructured.Unstructured) *unstructured.Unstructured {
	kept := &unstructured.Unstructured{Object: map[string]any{}}
	for field, value := range o.Object {
		if field != "status" && field != "metadata" {
			kept.Object[field] = value
		}
	}
	kept.SetName(o.GetName())
	kept.SetNamespace(o.GetNamespace())
	if labels := o.GetLabels(); len(labels) > 0 {
		kept.SetLabels(labels)
	}
	annotations := o.GetAnnotations()
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return slices.ContainsFunc(clustersAnnotations, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	})
	if len(annotations) > 0 {
		kept.SetAnnotations(annotations)
	}
	if is(o, homeKind) {
		// The session that it was created for is another one after a restore.
		unstructured.RemoveNestedField(kept.Object, "metadata", "annotations", v1alpha1.AnnotationCreatedBy)
		// A home is not made of its snapshot a second time.
		unstructured.RemoveNestedField(kept.Object, "spec", "dataSource")
		unstructured.RemoveNestedField(kept.Object, "spec", "dataSourceRef")
	}
	return kept
}
