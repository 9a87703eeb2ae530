package chart

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// added are the values that add to pods, by what they add to.
var added = map[string]string{"containers": "extraContainers", "volumes": "extraVolumes", "env": "extraEnv"}

// Two of one name would be refused in the middle of an installation, or the later taken for both.
func TestNothingThatIsAddedToPodsTakesANameOfTheCharts(t *testing.T) {
	vdi := inProcess(t)
	all := func() map[string]any {
		values := signIn()
		for key, value := range map[string]any{"auth.oidc.existingSecret": "a", "auth.oidc.caConfigMap": "b", "doze.enabled": true,
			"coturn.externalAddress.mode": "NodeExternalIP"} {
			set(values, strings.Split(key, "."), value)
		}
		return values
	}
	files, err := vdi(all())
	require.NoError(t, err)
	tried := 0
	for _, text := range files {
		objects, _ := helm.Objects(text) // notes are none
		for _, o := range objects {
			component := o.GetLabels()["app.kubernetes.io/component"]
			if o.GetLabels()["app.kubernetes.io/name"] == "coturn" {
				component = "coturn"
			}
			key := map[string]string{"operator": "operator", "activator": "activator", "portal": "portal", "node": "doze", "coturn": "coturn"}[component]
			if o.GetKind() != "Deployment" && o.GetKind() != "DaemonSet" || key == "" {
				continue
			}
			for what, names := range namesOf(podSpecOf(o)) {
				if key == "doze" && what != "env" || key == "coturn" && what == "volumes" {
					continue // nothing can be added
				}
				for _, name := range names {
					values, path := all(), key+"."+added[what]
					set(values, strings.Split(path, "."), []any{map[string]any{"name": name, "image": "x"}})
					if what != "containers" {
						set(values, strings.Split(path, "."), []any{map[string]any{"name": name}})
					}
					_, err := vdi(values)
					assert.ErrorContains(t, err, path+` has the name "`+name+`", which the chart's own pods have`)
					tried++
				}
			}
		}
	}
	assert.GreaterOrEqual(t, tried, 18, "names")
}

// namesOf are the names of a pod's containers, volumes and variables.
func namesOf(spec map[string]any) map[string][]string {
	all := map[string][]string{}
	collect := func(what string, of any) {
		list, _ := of.([]any)
		for _, one := range list {
			name := one.(map[string]any)["name"].(string)
			if name != "GOMEMLIMIT" { // which yields to the values'
				all[what] = append(all[what], name)
			}
		}
	}
	collect("containers", spec["containers"])
	collect("volumes", spec["volumes"])
	for _, c := range spec["containers"].([]any) {
		collect("env", c.(map[string]any)["env"])
	}
	return all
}

// Helm asks no API server whether there is such a field: what a values file misspells would be gone
// without a word.
func TestTheSchemaKnowsEachFieldOfATemplatesSpec(t *testing.T) {
	root, err := helm.Root()
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(root, "config", "crd", "vdi.kasm.io_vditemplates.yaml"))
	require.NoError(t, err)
	var crd apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(raw, &crd))
	raw, err = os.ReadFile(filepath.Join(root, helm.Chart, "values.schema.json"))
	require.NoError(t, err)
	var whole struct{ Definitions map[string]drawn }
	require.NoError(t, json.Unmarshal(raw, &whole))
	sameFields(t, "spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"], whole.Definitions["templateSpec"])
}

func sameFields(t *testing.T, at string, want apiextensionsv1.JSONSchemaProps, got drawn) {
	t.Helper()
	if want.Items != nil {
		if got.Items != nil {
			sameFields(t, at+"[]", *want.Items.Schema, *got.Items)
		}
		return
	}
	if at == "spec.podTemplate" {
		return // as large as a pod's own
	}
	if !assert.Equal(t, slices.Sorted(maps.Keys(want.Properties)), slices.Sorted(maps.Keys(got.Properties)), "fields of %s", at) {
		return
	}
	for name, below := range want.Properties {
		sameFields(t, at+"."+name, below, got.Properties[name])
	}
}
