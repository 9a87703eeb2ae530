package knativeconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const us = client.FieldOwner("us")

// features is a config map with one key, as its managers left it.
func features(t *testing.T, data map[string]any, managers ...string) (place, owners) {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"data": data}}
	o.SetGroupVersionKind(configMapKind)
	o.SetName(configFeatures)
	var entries []metav1.ManagedFieldsEntry
	for _, m := range managers {
		entries = append(entries, metav1.ManagedFieldsEntry{Manager: m, Operation: metav1.ManagedFieldsOperationApply,
			FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:data":{"f:a.b":{}}}`)}})
	}
	o.SetManagedFields(entries)
	p := place{object: o, requirements: []requirement{{configMap: configFeatures, data: map[string]string{"a.b": "enabled"}}}}
	all, err := p.owners()
	require.NoError(t, err)
	return p, all
}

func TestAKeyIsClaimedButForSomebodyElsesValue(t *testing.T) {
	for name, tc := range map[string]struct {
		value               string // "" is none
		managers            []string
		claimed, due, unmet bool
	}{
		"nobody's":                        {claimed: true, due: true, unmet: true},
		"as needed, somebody's":           {value: "enabled", managers: []string{"them"}, claimed: true, due: true},
		"as needed, ours":                 {value: "enabled", managers: []string{"us"}, claimed: true},
		"as needed, ours and somebody's":  {value: "enabled", managers: []string{"them", "us"}, claimed: true},
		"in another spelling, somebody's": {value: "Enabled", managers: []string{"them"}},
		"otherwise, somebody's":           {value: "disabled", managers: []string{"them", "others"}, unmet: true},
		"otherwise, ours and somebody's":  {value: "disabled", managers: []string{"us", "them", "others"}, unmet: true},
		"otherwise, ours alone":           {value: "disabled", managers: []string{"us"}, claimed: true, due: true, unmet: true},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]any{"_example": "text"}
			if tc.value != "" {
				data["a.b"] = tc.value
			}
			p, all := features(t, data, tc.managers...)
			got := decide(p, all, us)
			_, claimed := got.claim[configFeatures]["a.b"]
			require.Equal(t, tc.claimed, claimed)
			require.Equal(t, tc.due, got.due)
			assert.Equal(t, tc.unmet, len(got.unmet) > 0, "have %+v", got)
			if conflict := tc.unmet && !tc.claimed; conflict != (len(got.conflicts) > 0) {
				t.Errorf("conflicts %v", got.conflicts)
			} else if conflict {
				const want = `config-features: a.b is "disabled", set by them and others, and desktops need "enabled"`
				assert.Equal(t, want, got.conflicts[0].String(), "told as")
			}
		})
	}
}

func TestManagersHaveNamesOfTheirOwnThatKubernetesTakes(t *testing.T) {
	assert.EqualValues(t, "vdi-operator.vdi-system.vdi", FieldManager("vdi-system", "vdi"))
	long := strings.Repeat("n", 63)
	a, b := FieldManager(long, long), FieldManager(long, long[:62]+"m")
	require.LessOrEqual(t, len(a), managerLength)
	require.LessOrEqual(t, len(b), managerLength)
	assert.NotEqual(t, b, a)
}

func TestAKnativeServingsOwnWayToNameAConfigMapIsFollowed(t *testing.T) {
	for name, config := range map[string]map[string]any{
		"features":        {"autoscaler": map[string]any{}},
		"config-features": {"features": map[string]any{}, "config-features": map[string]any{}},
	} {
		serving := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"config": config}}}
		assert.Equal(t, name, section(serving, configFeatures), "%v", config)
	}
}
