// Package chart tests what the chart renders, with nothing but Helm: every set of
// values in testdata against its golden file, values that must be refused, and which
// connections the rendered policies allow.
package chart

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/helm"
)

var update = flag.Bool("update", false, "write the golden files anew")

const defaultSet = "default"

// The set "default" is kept in full, every other one as its difference from it.
func TestEverySetOfValuesRendersAsReviewed(t *testing.T) {
	defaults := rendered(t, "--values", values(t, defaultSet))
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			golden, got := filepath.Join("testdata", set+".golden.diff"), ""
			if set == defaultSet {
				golden, got = filepath.Join("testdata", set+".golden.yaml"), inFull(defaults)
			} else {
				got = difference(defaults, rendered(t, "--values", values(t, set)))
			}
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "run this test with -update")
			if string(want) != got {
				t.Errorf("%s (-) is not what is rendered (+):\n%s\nIf that is meant, run this test with -update and read git diff.",
					golden, hunks(lines(string(want)), lines(got), 3))
			}
		})
	}
}

func TestLintAcceptsEverySetOfValues(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			_, err := release.Helm(t.Context(), "lint", "--strict", helm.Chart, "--kube-version", helm.KubeVersion, "--values",
				values(t, set))
			assert.NoError(t, err)
		})
	}
}

// release is what every test of this package renders.
var release = helm.Release{Name: "vdi", Namespace: "vdi-system"}

// templates are what the chart renders, by the flags.
var templates sync.Map

// template is what the chart renders for flags of helm template, rendered once for all tests: which files
// the flags name is theirs alone.
func template(t *testing.T, flags ...string) (string, error) {
	t.Helper()
	once, _ := templates.LoadOrStore(strings.Join(flags, "\x00"), sync.OnceValues(func() (string, error) {
		return release.Template(context.WithoutCancel(t.Context()), flags...)
	}))
	return once.(func() (string, error))()
}

// valueSets are the names of the sets of values in testdata.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.values.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 12, "sets of values")
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".values.yaml")
	}
	return files
}

// values is the file of a set.
func values(t *testing.T, set string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", set+".values.yaml"))
	require.NoError(t, err)
	return path
}

// asHelm is a file of values by which all is rendered that Helm renders for a cluster.
func asHelm(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "as-helm.yaml"))
	require.NoError(t, err)
	return path
}

// rendered are the objects that the chart renders, with the names of the chart's files in place
// of their text, and without the definitions, which `make generate` keeps equal to their source.
func rendered(t *testing.T, flags ...string) []object {
	t.Helper()
	text, err := template(t, append([]string{"--values", asHelm(t)}, flags...)...)
	require.NoError(t, err)
	var all []object
	for _, d := range helm.Documents(text) {
		o := parsed(t, d)
		switch o.kind {
		case "CustomResourceDefinition":
			continue
		case "ConfigMap", "PrometheusRule":
			o.text = withoutFiles(t, o.text)
		}
		all = append(all, o)
	}
	return all
}

// withoutFiles replaces the text of files/, as it is rendered, by the file's name.
func withoutFiles(t *testing.T, text string) string {
	t.Helper()
	root, err := helm.Root()
	require.NoError(t, err)
	for _, name := range []string{"files/dashboards/vdi.json", "files/alerts/vdi.yaml"} {
		file, err := os.ReadFile(filepath.Join(root, helm.Chart, name))
		require.NoError(t, err)
		for _, indent := range []string{"    ", "  "} {
			block := indent + strings.ReplaceAll(strings.TrimRight(string(file), "\n"), "\n", "\n"+indent) + "\n"
			text = strings.Replace(text, block, indent+"# The text of "+name+"\n", 1)
		}
	}
	return text
}
