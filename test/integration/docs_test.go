//go:build integration

package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/docs"
)

const repository = "../.."

// ourKind is a manifest's line that says it is of this product.
var ourKind = regexp.MustCompile(`(?m)^kind: VDI(Session|Template)$`)

// manifests are the files in config/samples and the blocks in the pages, by where they
// are, that hold templates or sessions.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	samples := os.DirFS(filepath.Join(repository, "config", "samples"))
	files, err := fs.Glob(samples, "*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		raw, err := fs.ReadFile(samples, file)
		require.NoError(t, err)
		found["config/samples/"+file] = string(raw)
	}
	pages, err := docs.Pages(repository)
	require.NoError(t, err)
	for _, page := range pages {
		for _, block := range page.Blocks() {
			if ourKind.MatchString(block.Text) {
				found[fmt.Sprintf("%s:%d", page.Path, block.Line)] = block.Text
			}
		}
	}
	require.Greater(t, len(found), len(files), "samples and no manifest in the pages: they are not found")
	return found
}

func TestTheAPITakesEverySampleAndEveryManifestInTheDocs(t *testing.T) {
	ns := space(t)
	for where, text := range manifests(t) {
		t.Run(where, func(t *testing.T) {
			ours := 0
			for _, one := range strings.Split(text, "\n---\n") {
				u := &unstructured.Unstructured{}
				require.NoError(t, yaml.UnmarshalStrict([]byte(one), &u.Object))
				if u.GroupVersionKind().GroupVersion() != v1alpha1.GroupVersion {
					continue
				}
				ours++
				if u.GetKind() == "VDISession" {
					u.SetNamespace(ns)
				}
				require.NoError(t, api.Patch(t.Context(), u, client.Apply, client.DryRunAll, //nolint:staticcheck // Client.Apply takes no field validation.
					client.FieldOwner("docs"), client.FieldValidation(metav1.FieldValidationStrict)))
			}
			assert.NotEqual(t, 0, ours, "it holds no object of this product's API group")
		})
	}
}
