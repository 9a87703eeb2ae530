package chart

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/org/vdi-operator/test/helm"
)

// previous is the chart that upgrades come from.
var previous = filepath.Join("test", "chart", "testdata", "vdi-operator-0.1.0.tgz")

// superseded are objects that an upgrade deletes, with what has taken their place.
var superseded = map[string]string{
	"Secret vdi-system/vdi-coturn":      "turnserver's file, which coturn's supervisor now writes inside the pod",
	"Secret vdi-system/vdi-signing-key": "the operator's, or Helm's where it is in the cluster",
	"Secret vdi-system/vdi-turn":        "the same",
}

func TestAnUpgradeMakesNothingAnew(t *testing.T) {
	ctx := t.Context()
	before := objects(t)(release.Helm(ctx, "template", release.Name, previous, "--kube-version", helm.KubeVersion))
	after := map[string]*unstructured.Unstructured{}
	for _, o := range objects(t)(template(t)) {
		after[identity(o)] = o
	}
	require.GreaterOrEqual(t, len(before), 15, "the previous chart has %d objects", len(before))
	for _, old := range before {
		now := after[identity(old)]
		if _, gone := superseded[identity(old)]; gone && now == nil {
			continue
		}
		if now == nil {
			t.Errorf("%s would be deleted", identity(old))
			continue
		}
		for _, immutable := range [][]string{{"spec", "selector"}, {"spec", "clusterIP"}, {"roleRef"}, {"type"}} {
			a, _, _ := unstructured.NestedFieldNoCopy(old.Object, immutable...)
			b, _, _ := unstructured.NestedFieldNoCopy(now.Object, immutable...)
			assert.Equal(t, b, a, "%s: %v changes", identity(old), immutable)
		}
	}
}

func identity(o *unstructured.Unstructured) string {
	return o.GroupVersionKind().GroupKind().String() + " " + o.GetNamespace() + "/" + o.GetName()
}

func objects(t *testing.T) func(text string, err error) []*unstructured.Unstructured {
	t.Helper()
	return func(text string, err error) []*unstructured.Unstructured {
		t.Helper()
		require.NoError(t, err)
		all, err := helm.Objects(text)
		require.NoError(t, err)
		return all
	}
}
