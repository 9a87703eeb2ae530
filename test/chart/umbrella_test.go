package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// umbrella is a chart around this one, as platforms of several charts have it: with the condition
// by which its users leave this one out, and what it says for all of its charts.
const umbrella = `apiVersion: v2
name: platform
version: 1.0.0
dependencies:
  - name: vdi-operator
    version: ">=0.1.0"
    repository: file://%s
    condition: vdi-operator.enabled
`

// underUmbrella makes such a chart and returns its folder.
func underUmbrella(t *testing.T) string {
	t.Helper()
	root, err := helm.Root()
	require.NoError(t, err)
	dir := t.TempDir()
	text := fmt.Sprintf(umbrella, filepath.Join(root, helm.Chart))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(text), 0o600))
	_, err = release.Helm(t.Context(), "dependency", "update", "--skip-refresh", dir)
	require.NoError(t, err)
	return dir
}

// umbrellasValues is a set of values as the umbrella's users write it: what is global stays at the
// top, beside globals of other charts.
func umbrellasValues(t *testing.T, set string) string {
	t.Helper()
	raw, err := os.ReadFile(values(t, set))
	require.NoError(t, err)
	ours := map[string]any{}
	require.NoError(t, yaml.Unmarshal(raw, &ours))
	global, _ := ours["global"].(map[string]any)
	if global == nil {
		global = map[string]any{}
	}
	delete(ours, "global")
	global["storageClass"], global["region"] = "fast", map[string]any{"name": "eu"}
	raw, err = yaml.Marshal(map[string]any{"global": global, "vdi-operator": ours})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	return file
}

func TestUnderAnUmbrellaTheChartRendersTheSame(t *testing.T) {
	dir := underUmbrella(t)
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			want, err := template(t, "--values", values(t, set))
			require.NoError(t, err)
			got, err := release.Helm(t.Context(), "template", release.Name, dir, "--kube-version", helm.KubeVersion, "--values", umbrellasValues(t, set))
			require.NoError(t, err)
			got = strings.ReplaceAll(got, "# Source: platform/charts/", "# Source: ")
			assert.ElementsMatch(t, helm.Documents(want), helm.Documents(got))
		})
	}
}

func TestAnUmbrellaSwitchesTheChartOff(t *testing.T) {
	text, err := release.Helm(t.Context(), "template", release.Name, underUmbrella(t), "--set", "vdi-operator.enabled=false")
	require.NoError(t, err)
	assert.Empty(t, helm.Documents(text))
}
