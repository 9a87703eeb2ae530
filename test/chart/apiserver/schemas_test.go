//go:build integration

package apiserver

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/discovery"
)

// kubeconform reads the schemas of the cluster's own API, this product's and Knative's
// kinds among them, as somebody's pipeline would without a cluster.
func TestKubeconformIsContentWithEverySetOfValues(t *testing.T) {
	program := os.Getenv("KUBECONFORM")
	require.NotEmpty(t, program, "KUBECONFORM is not set: `make test-integration` provides it")
	schemas := writeSchemas(t)
	sets, err := filepath.Glob(values("*"))
	require.NoError(t, err)
	require.NotEmpty(t, sets, "no sets of values")
	conform := func(text string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, "-strict", "-summary", "-output", "json",
			"-schema-location", filepath.Join(schemas, "{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json"), "-")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, set := range sets {
		t.Run(filepath.Base(set), func(t *testing.T) {
			text, err := vdi(systemNamespace).Template(t.Context(), "--values", set)
			require.NoError(t, err)
			out, err := conform(text)
			assert.NoError(t, err, out)
		})
	}
	for what, text := range map[string]string{
		"an unknown field": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n",
		"a wrong type":     "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: many, selector: {}, template: {}}\n",
		"our own kind":     "apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: a}\nspec: {usr: me, template: t}\n",
		"an unknown kind":  "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n",
	} {
		out, err := conform(text)
		assert.Error(t, err, "%s was taken: %s", what, out)
	}
}

// writeSchemas writes one JSON schema for each kind that the API server serves.
func writeSchemas(t *testing.T) (dir string) {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(config)
	require.NoError(t, err)
	raw, err := d.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", "application/json").DoRaw(t.Context())
	require.NoError(t, err)
	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	require.NoError(t, json.Unmarshal(raw, &api))
	for name, definition := range api.Definitions {
		strict(definition)
		if name == "io.k8s.apimachinery.pkg.api.resource.Quantity" {
			api.Definitions[name] = map[string]any{"type": []string{"string", "number"}}
		}
	}
	dir = t.TempDir()
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			kind := k.(map[string]any)
			group, version := kind["group"].(string), kind["version"].(string)
			if group == "" {
				// kubeconform's name of the group of Pods.
				group = version
			}
			used := map[string]any{}
			collect(api.Definitions, name, used)
			schema, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": used})
			require.NoError(t, err)
			file := filepath.Join(dir, group+"_"+version+"_"+strings.ToLower(kind["kind"].(string))+".json")
			require.NoError(t, os.WriteFile(file, schema, 0o600))
		}
	}
	return dir
}

// strict makes of Swagger's schemas, in place, what JSON Schema calls them, and refuses
// unknown fields.
func strict(node any) {
	switch n := node.(type) {
	case map[string]any:
		_, more := n["additionalProperties"]
		if properties, has := n["properties"].(map[string]any); has && !more && n["x-kubernetes-preserve-unknown-fields"] != true {
			if _, object := properties["type"].(string); !object {
				n["additionalProperties"] = false
			}
		}
		if n["format"] == "int-or-string" || n["x-kubernetes-int-or-string"] == true {
			delete(n, "format")
			n["type"] = []string{"string", "integer"}
		}
		for _, child := range n {
			strict(child)
		}
	case []any:
		for _, child := range n {
			strict(child)
		}
	}
}

// collect gathers a definition and those that it refers to.
func collect(all map[string]map[string]any, name string, used map[string]any) {
	if _, done := used[name]; done {
		return
	}
	used[name] = all[name]
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			if ref, is := n["$ref"].(string); is {
				collect(all, strings.TrimPrefix(ref, "#/definitions/"), used)
			}
			for _, child := range n {
				walk(child)
			}
		case []any:
			for _, child := range n {
				walk(child)
			}
		}
	}
	walk(all[name])
}
