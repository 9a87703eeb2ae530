package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever renders the chart without a cluster and applies the result, as Argo CD, kapp and
// kubectl do, applies every object, and again at each sync.
func TestWhatIsRenderedForOthersStopsAndRecreatesNothing(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			for _, o := range objects(t)(template(t, "--values", values(t, set))) {
				assert.NotEqual(t, "Job", o.GetKind(), "%s runs when it is applied", o.GetName())
				hook := o.GetAnnotations()["helm.sh/hook"]
				assert.Contains(t, []string{"", "test"}, hook, "%s %s is made anew at each sync", o.GetKind(), o.GetName())
			}
		})
	}
}

// GitOps tools compare what they render with what they rendered before.
func TestTheSameValuesRenderTheSameBytes(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			first, err := template(t, "--values", values(t, set))
			require.NoError(t, err)
			second, err := release.Template(t.Context(), "--values", values(t, set))
			require.NoError(t, err)
			if first != second {
				t.Errorf("the first (-) and the second (+) differ:\n%s", hunks(lines(first), lines(second), 1))
			}
		})
	}
}

func TestTheUninstallIsRenderedForWhomItWasAsked(t *testing.T) {
	const job = "Job/vdi-uninstall "
	const args = job + ".spec.template.spec.containers[0].args"
	const rules = "Role/vdi-uninstall .rules[?(@.verbs[0]=='list')].resources"
	flags := func(more string) string {
		return `["uninstall","--config=/etc/vdi/config/config.yaml","--operator=vdi-operator","--activator=vdi-activator","--check=vdi-check",` +
			more + `"--timeout=180s"]`
	}
	checkFields(t, map[string]fieldCase{
		"not by default":      {nil, map[string]string{job + ".kind": "", "Role/vdi-uninstall .kind": ""}},
		"not where it is off": {[]string{"uninstall.enabled=false"}, map[string]string{job + ".kind": ""}},
		"it looks into Helm's Secrets": {[]string{"uninstall.enabled=true"}, map[string]string{
			args: flags(`"--release=vdi","--release-storage=Secret",`), rules: `["pods"] ["secrets"]`}},
		"or its ConfigMaps": {[]string{"uninstall.enabled=true", "uninstall.releaseStorage=ConfigMap"}, map[string]string{
			args: flags(`"--release=vdi","--release-storage=ConfigMap",`), rules: `["pods"] ["configmaps"]`}},
		"or nowhere": {[]string{"uninstall.enabled=true", "uninstall.releaseStorage=none"}, map[string]string{
			args: flags(`"--without-helm",`), rules: `["pods"]`}},
	})
}
