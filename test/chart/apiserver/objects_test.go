//go:build integration

package apiserver

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Every object of every set of values, unknown fields refused.
func TestTheAPIServerTakesEveryObject(t *testing.T) {
	sets, err := filepath.Glob(values("*"))
	require.NoError(t, err)
	require.NotEmpty(t, sets, "no sets of values")
	strict := client.WithFieldValidation(admin, metav1.FieldValidationStrict)
	for _, set := range sets {
		t.Run(filepath.Base(set), func(t *testing.T) {
			for _, o := range rendered(t, systemNamespace, "--values", set) {
				// Definitions are installed already, and are compared with their source.
				if o.GetKind() == "CustomResourceDefinition" {
					continue
				}
				err := strict.Create(t.Context(), o.DeepCopy(), client.DryRunAll)
				assert.False(t, err != nil && !apierrors.IsAlreadyExists(err), "%s %s: %v", o.GetKind(), o.GetName(), err)
			}
		})
	}
}

func TestOurPodsAreRestricted(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "restricted", Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}}}
	require.NoError(t, admin.Create(t.Context(), namespace))
	t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), namespace) })

	privileged := pod("restricted", corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "c", Image: "i"}}})
	err := admin.Create(t.Context(), privileged, client.DryRunAll)
	require.True(t, apierrors.IsForbidden(err), "the namespace enforces nothing: %v", err)
	for _, set := range []string{"default", "production", "air-gapped", "deployments", "single", "openshift", "sign-in"} {
		var seen []string
		for _, o := range rendered(t, "restricted", "--values", values(set)) {
			template, has, err := unstructured.NestedMap(o.Object, "spec", "template")
			require.NoError(t, err)
			if !has {
				continue
			}
			// coturn listens in its node's network by default, which no level below
			// privileged allows.
			if shared, _, _ := unstructured.NestedBool(template, "spec", "hostNetwork"); shared {
				continue
			}
			p := &unstructured.Unstructured{Object: template}
			p.SetAPIVersion("v1")
			p.SetKind("Pod")
			p.SetName(o.GetName())
			p.SetNamespace("restricted")
			assert.NoError(t, admin.Create(t.Context(), p, client.DryRunAll), "%s: the pods of %s %s", set, o.GetKind(), o.GetName())
			seen = append(seen, o.GetName())
		}
		want := []string{"vdi-operator", "vdi-activator"}
		if set == "sign-in" {
			want = append(want, "vdi-portal")
		}
		assert.Subset(t, seen, want, "%s: not all of our workloads were checked", set)
	}
}

func pod(namespace string, spec corev1.PodSpec) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "privileged", Namespace: namespace}, Spec: spec}
}
