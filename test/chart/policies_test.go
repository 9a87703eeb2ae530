package chart

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// The policy names each field, since no expression walks over those that a definition has.
func TestOfAStatusThePolicyLeavesTheActivatorItsActivityAlone(t *testing.T) {
	var want, kept []string
	for field := range reflect.TypeFor[v1alpha1.VDISessionStatus]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "activity" {
			want = append(want, name)
		}
	}
	compares := regexp.MustCompile(`^object\.\?status\.\?(\w+) == oldObject\.\?status\.\?(\w+)$`)
	for _, o := range objects(t)(template(t)) {
		if o.GetKind() != "ValidatingAdmissionPolicy" || !strings.HasSuffix(o.GetName(), "-activity") {
			continue
		}
		validations, _, err := unstructured.NestedSlice(o.Object, "spec", "validations")
		require.NoError(t, err)
		for _, v := range validations {
			found := compares.FindStringSubmatch(v.(map[string]any)["expression"].(string))
			require.Len(t, found, 3, "%v", v)
			assert.Equal(t, found[1], found[2])
			kept = append(kept, found[1])
		}
	}
	assert.ElementsMatch(t, want, kept, "name each field of VDISessionStatus in templates/policies/tenants.yaml")
}
