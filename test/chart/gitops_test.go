package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// Argo CD runs what is a pre-delete hook when the Application is deleted, and applies all else.
func TestTheApplicationOfThePageUninstallsByHooksAlone(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, applicationsValues(t), 0o600))
	text, err := template(t, "--values", values)
	require.NoError(t, err)
	objects, err := helm.Objects(text)
	require.NoError(t, err)
	kinds := map[string]bool{}
	for _, o := range objects {
		hook, uninstalls := o.GetAnnotations()["helm.sh/hook"], o.GetLabels()["app.kubernetes.io/component"] == "uninstall"
		assert.Equal(t, uninstalls, hook == "pre-delete", "%s %s is a hook %q", o.GetKind(), o.GetName(), hook)
		if uninstalls {
			kinds[o.GetKind()] = true
		}
	}
	assert.Equal(t, map[string]bool{"Job": true, "Role": true, "RoleBinding": true}, kinds)
	assert.Contains(t, text, "- --without-helm\n", "no release of Helm's is being uninstalled")
}

// applicationsValues are those of the Application that docs/gitops.md shows.
func applicationsValues(t *testing.T) []byte {
	t.Helper()
	root, err := helm.Root()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "gitops.md"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(page), "\n    apiVersion: argoproj.io/v1alpha1\n")
	require.True(t, found, "docs/gitops.md shows no Application")
	block, _, _ := strings.Cut(after, "\n\n")
	var application struct {
		Spec struct {
			Source struct {
				Helm struct{ ValuesObject map[string]any }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(block), &application))
	values, err := yaml.Marshal(application.Spec.Source.Helm.ValuesObject)
	require.NoError(t, err)
	return values
}
