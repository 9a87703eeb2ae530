package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// described is what Artifact Hub is told of a definition.
type described struct {
	Kind        string `json:"kind"`
	Version     string `json:"version"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

// chartFile reads a Chart.yaml.
func chartFile(t *testing.T, folder string) (m struct {
	Home, Icon  string
	Sources     []string
	Maintainers []map[string]string
	Annotations map[string]string
}) {
	t.Helper()
	root, err := helm.Root()
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(root, folder, "Chart.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, &m))
	return m
}

func TestTheChartsSayWhereTheyAreFrom(t *testing.T) {
	root, err := helm.Root()
	require.NoError(t, err)
	for _, folder := range []string{helm.Chart, helm.Chart + "/charts/coturn"} {
		m := chartFile(t, folder)
		assert.NotEmpty(t, m.Home, folder)
		assert.NotEmpty(t, m.Sources, folder)
		assert.NotEmpty(t, m.Maintainers, folder)
		assert.Equal(t, "Apache-2.0", m.Annotations["artifacthub.io/license"], folder)
		icon, ours := strings.CutPrefix(m.Icon, "https://raw.githubusercontent.com/org/vdi-operator/main/")
		require.True(t, ours, "%s: %s", folder, m.Icon)
		assert.FileExists(t, filepath.Join(root, icon))
	}
}

func TestArtifactHubIsToldOfEachDefinition(t *testing.T) {
	root, err := helm.Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "*.yaml"))
	require.NoError(t, err)
	var want []described
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var crd apiextensionsv1.CustomResourceDefinition
		require.NoError(t, yaml.Unmarshal(raw, &crd))
		for _, v := range crd.Spec.Versions {
			want = append(want, described{Kind: crd.Spec.Names.Kind, Version: v.Name, Name: crd.Name})
		}
	}
	require.NotEmpty(t, want)
	var got []described
	require.NoError(t, yaml.UnmarshalStrict([]byte(chartFile(t, helm.Chart).Annotations["artifacthub.io/crds"]), &got))
	for i := range got {
		assert.NotEmpty(t, got[i].DisplayName, got[i].Kind)
		assert.NotEmpty(t, got[i].Description, got[i].Kind)
		got[i].DisplayName, got[i].Description = "", ""
	}
	assert.ElementsMatch(t, want, got)
}
