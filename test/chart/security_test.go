package chart

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/docs"
	"github.com/org/vdi-operator/test/helm"
)

const platformAssigns = "openshift"

// fixed are the fields by which a security context names a user or a group, which OpenShift's
// restricted-v2 refuses.
var fixed = []string{"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"}

// podSpecOf is the spec of the pods that an object is or makes; nil of others.
func podSpecOf(o *unstructured.Unstructured) map[string]any {
	path := []string{"spec", "template", "spec"}
	if o.GetKind() == "Pod" {
		path = path[2:]
	}
	spec, _, _ := unstructured.NestedMap(o.Object, path...)
	if spec["containers"] == nil {
		return nil
	}
	return spec
}

func TestWhereThePlatformAssignsUsersNoPodNamesOne(t *testing.T) {
	all := objects(t)(template(t, "--values", values(t, platformAssigns), "--values", asHelm(t), "--set",
		strings.Join(peopleSignIn, ",")))
	var pods []string
	for _, o := range all {
		spec := podSpecOf(o)
		if spec == nil {
			continue
		}
		pods = append(pods, o.GetName())
		assert.NotEqual(t, true, spec["hostNetwork"], o.GetName())
		contexts := []any{spec["securityContext"]}
		for _, c := range spec["containers"].([]any) {
			contexts = append(contexts, c.(map[string]any)["securityContext"])
		}
		for _, context := range contexts {
			require.NotEmpty(t, context, o.GetName())
			for _, field := range fixed {
				assert.NotContains(t, context, field, o.GetName())
			}
		}
		assert.Equal(t, true, contexts[0].(map[string]any)["runAsNonRoot"], "%s: what is not null stays", o.GetName())
	}
	assert.ElementsMatch(t, []string{"vdi-operator", "vdi-activator", "vdi-portal", "vdi-coturn", "vdi-uninstall", "vdi-check"}, pods)

	raw := field(t, all, "ConfigMap/vdi-operator", `.data.config\.yaml`)
	c, err := config.Parse([]byte(raw))
	require.NoError(t, err)
	assert.Nil(t, c.Agent.SecurityContext.RunAsUser)
	assert.Nil(t, c.Agent.SecurityContext.RunAsGroup)
	assert.Nil(t, c.Desktops.PodSecurityContext.FSGroup)
}

// What the chart says by default is what the operator would do without being told.
func TestDesktopsAreAsRestrictedWithTheChartAsWithout(t *testing.T) {
	all := objects(t)(template(t))
	c, err := config.Parse([]byte(field(t, all, "ConfigMap/vdi-operator", `.data.config\.yaml`)))
	require.NoError(t, err)
	assert.Equal(t, config.Default().Agent.SecurityContext, c.Agent.SecurityContext)
	assert.Equal(t, config.Default().Desktops.PodSecurityContext, c.Desktops.PodSecurityContext)
}

func TestThePageOfOpenShiftHasTheValuesThatAreTested(t *testing.T) {
	root, err := helm.Root()
	require.NoError(t, err)
	pages, err := docs.Pages(root)
	require.NoError(t, err)
	raw, err := os.ReadFile(values(t, platformAssigns))
	require.NoError(t, err)
	var tested, said any
	require.NoError(t, yaml.Unmarshal(raw, &tested))
	for _, page := range pages {
		if page.Path == "docs/install/openshift.md" {
			require.NoError(t, yaml.Unmarshal([]byte(page.Saved("openshift.yaml")), &said))
		}
	}
	assert.Equal(t, tested, said)
}

func TestSecurityContextsAreThoseOfTheValues(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"another user, another group": {[]string{"activator.podSecurityContext.runAsUser=107000", "coturn.podSecurityContext.fsGroup=107000"},
			map[string]string{"Deployment/vdi-activator .spec.template.spec.securityContext.runAsUser": "107000",
				"Deployment/vdi-operator .spec.template.spec.securityContext.runAsUser": "65532",
				"Deployment/vdi-coturn .spec.template.spec.securityContext.fsGroup":     "107000"}},
		"a field more, beside the defaults": {[]string{"operator.securityContext.seLinuxOptions.type=spc_t"},
			map[string]string{"Deployment/vdi-operator .spec.template.spec.containers[0].securityContext.seLinuxOptions.type": "spc_t",
				"Deployment/vdi-operator .spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem": "true",
				"Pod/vdi-check .spec.containers[0].securityContext.seLinuxOptions.type":                            "spc_t"}},
		"coturn's own service account": {nil, map[string]string{"Deployment/vdi-coturn .spec.template.spec.serviceAccountName": "vdi-coturn",
			"ServiceAccount/vdi-coturn .metadata.name":                               "vdi-coturn",
			"Deployment/vdi-coturn .spec.template.spec.automountServiceAccountToken": "false"}},
		"somebody else's": {[]string{"coturn.serviceAccount.create=false", "coturn.serviceAccount.name=turn", "coturn.externalAddress.mode=NodeExternalIP"},
			map[string]string{"Deployment/vdi-coturn .spec.template.spec.serviceAccountName": "turn",
				"ServiceAccount/turn .metadata.name":                                     "",
				"ClusterRoleBinding/vdi-system-vdi-coturn .subjects[0].name":             "turn",
				"Deployment/vdi-coturn .spec.template.spec.automountServiceAccountToken": ""}},
	})
}
