// Package chart tests what the chart renders, with nothing but Helm: every set of
// values in testdata against its golden file, values that must be refused, and who may
// speak with whom by the policies that are rendered.
package chart

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/org/vdi-operator/test/chart/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// secretValue is a generated value in a Secret: another one each time.
var secretValue = regexp.MustCompile(`(?m)^(  [\w.-]+): [A-Za-z0-9+/=]{16,}$`)

// settled is the text without what is generated anew each time, and without the
// definitions, which are compared with their own source.
func settled(text string) string {
	var b strings.Builder
	for _, d := range render.Documents(text) {
		switch {
		case strings.Contains(d, "\nkind: CustomResourceDefinition\n"):
			continue
		case strings.Contains(d, "\nkind: Secret\n"):
			d = secretValue.ReplaceAllString(d, "$1: GENERATED")
		}
		b.WriteString("---\n" + d)
	}
	return b.String()
}

func valueSets(t *testing.T) []string {
	t.Helper()
	sets, err := filepath.Glob(filepath.Join("testdata", "*.values.yaml"))
	if err != nil || len(sets) < 12 {
		t.Fatalf("%d sets of values (%v)", len(sets), err)
	}
	return sets
}

func TestEverySetOfValuesRendersAsReviewed(t *testing.T) {
	for _, values := range valueSets(t) {
		name := strings.TrimSuffix(filepath.Base(values), ".values.yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := render.Text(t.Context(), render.Namespace, "--values", absolute(t, values))
			if err != nil {
				t.Fatal(err)
			}
			golden, got := strings.TrimSuffix(values, ".values.yaml")+".golden.yaml", settled(text)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: write it with go test ./test/chart -update", err)
			}
			if string(want) != got {
				t.Errorf("what is rendered differs from %s at\n%s\nIf that is meant, write it anew with go test ./test/chart -update and read the difference.", golden, difference(string(want), got))
			}
		})
	}
}

func TestLintIsContentWithEverySetOfValues(t *testing.T) {
	for _, values := range valueSets(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			t.Parallel()
			if _, err := render.Helm(t.Context(), "lint", "--strict", "charts/vdi-operator", "--namespace", render.Namespace, "--kube-version", render.KubeVersion, "--values", absolute(t, values)); err != nil {
				t.Error(err)
			}
		})
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	part := func(lines []string, sign string) string {
		var b strings.Builder
		for _, l := range lines[min(max(0, i-3), len(lines)):min(len(lines), i+6)] {
			b.WriteString(sign + l + "\n")
		}
		return b.String()
	}
	return part(w, "- ") + part(g, "+ ")
}
