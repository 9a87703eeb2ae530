package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// schema is what these tests read of a values.schema.json.
type schema struct {
	Properties map[string]*schema
	Required   []string
}

// charts are the folders of the chart and its subchart, by the key under which the values
// of each are.
var charts = map[string]string{
	"":       helm.Chart,
	"coturn": filepath.Join(helm.Chart, "charts", "coturn"),
}

// A key with nothing after it is null, and Helm then takes the key away. Where the chart
// reads more below the key, or cannot do without the value, the schema misses it by name.
func TestAnEmptyValueIsMissedByNameWhereSomethingIsNeeded(t *testing.T) {
	for key, chart := range charts {
		s, values := read(t, chart)
		compareRequired(t, key, s, values)
	}
}

func compareRequired(t *testing.T, at string, s *schema, values map[string]any) {
	t.Helper()
	var want []string
	for key, value := range values {
		if below := section(s, key, value); below != nil {
			compareRequired(t, at+"."+key, s.Properties[key], below)
		} else if empty(value) {
			continue
		}
		want = append(want, key)
	}
	slices.Sort(want)
	got := slices.Sorted(slices.Values(s.Required))
	assert.Equal(t, want, got, "values.schema.json requires at %q", at)
}

// Everything else may be left empty: it means what an empty string, list or map means.
func TestEveryOtherValueMayBeLeftEmpty(t *testing.T) {
	values := map[string]any{}
	for key, chart := range charts {
		s, its := read(t, chart)
		nothing := emptied(s, its)
		if key == "" {
			for k, v := range nothing {
				values[k] = v
			}
		} else {
			values[key] = nothing
		}
	}
	raw, err := yaml.Marshal(values)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	text, err := template(t, "--values", file)
	require.NoError(t, err, "%s", raw)
	if objects, err := helm.Objects(text); err != nil || len(objects) == 0 {
		t.Errorf("%d objects (%v)", len(objects), err)
	}
}

// emptied are the values that may be empty, as null.
func emptied(s *schema, values map[string]any) map[string]any {
	result := map[string]any{}
	for key, value := range values {
		if below := section(s, key, value); below != nil {
			result[key] = emptied(s.Properties[key], below)
		} else if empty(value) {
			result[key] = nil
		}
	}
	return result
}

// section is what is below a key that the chart reads more of; nil for a map that goes
// into an object as it is.
func section(s *schema, key string, value any) map[string]any {
	below, _ := value.(map[string]any)
	if s.Properties[key] == nil || len(s.Properties[key].Properties) == 0 || key == "resources" || key == "behavior" {
		return nil
	}
	return below
}

// empty tells whether nothing can stand for a value: for a text that is none, and for
// lists and maps.
func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case []any, map[string]any, nil:
		return true
	}
	return false
}

func read(t *testing.T, chart string) (*schema, map[string]any) {
	t.Helper()
	root, err := helm.Root()
	require.NoError(t, err)
	s, values := &schema{}, map[string]any{}
	for name, into := range map[string]any{"values.schema.json": s, "values.yaml": &values} {
		raw, err := os.ReadFile(filepath.Join(root, chart, name))
		if err == nil && filepath.Ext(name) == ".json" {
			err = json.Unmarshal(raw, into)
		} else if err == nil {
			err = yaml.Unmarshal(raw, into)
		}
		require.NoError(t, err)
	}
	return s, values
}
