package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const chart = root + "/charts/vdi-operator"

// values are the chart's, those of its subchart under its name.
func values(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	read := func(file string, into *map[string]any) {
		raw, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(raw, into)
		}
		require.NoError(t, err, file)
	}
	read(filepath.Join(chart, "values.yaml"), &all)
	subcharts, err := filepath.Glob(filepath.Join(chart, "charts", "*", "values.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, subcharts, "no subchart in %s", chart)
	for _, file := range subcharts {
		own := map[string]any{}
		read(file, &own)
		name := filepath.Base(filepath.Dir(file))
		if above, is := all[name].(map[string]any); is {
			for k, v := range above {
				own[k] = v
			}
		}
		all[name] = own
	}
	return all
}

// has says whether a dotted name is a value; below a value that is empty by default
// everything is.
func has(values map[string]any, name string) bool {
	at := any(values)
	for _, key := range strings.Split(name, ".") {
		inside, is := at.(map[string]any)
		if !is {
			return at == nil
		}
		if len(inside) == 0 {
			return true
		}
		var there bool
		if at, there = inside[key]; !there {
			return false
		}
	}
	return true
}

var (
	// dotted is a value's name, with what it is set to if anything.
	dotted = regexp.MustCompile(`^([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?:=.*)?$`)
	// set is a value's name on a command line; a list's index ends it.
	set = regexp.MustCompile(`--set(?:-string|-json)?[ =]'?"?([a-zA-Z]+(?:\.[a-zA-Z]+)*)`)
)

func TestPagesNameOnlyValuesThatTheChartHas(t *testing.T) {
	have := values(t)
	for path, page := range pages(t) {
		// The changelog speaks of earlier versions, the migration of another program.
		if path == "docs/changelog.md" || path == "docs/migration.md" {
			continue
		}
		for _, span := range page.Spans() {
			// A class of Knative's is named like a value: activator.vdi.kasm.io.
			if m := dotted.FindStringSubmatch(span); m != nil && !strings.HasSuffix(m[1], v1alpha1.GroupName) {
				first, _, _ := strings.Cut(m[1], ".")
				_, ours := have[first]
				assert.False(t, ours && !has(have, m[1]), "%s: `%s` is no value of the chart", path, span)
			}
		}
		for _, block := range page.Blocks() {
			// Elsewhere --set may be about another chart.
			ourChart := strings.Contains(block.Text, "charts/vdi-operator")
			for _, m := range set.FindAllStringSubmatch(block.Text, -1) {
				first, _, _ := strings.Cut(m[1], ".")
				_, ours := have[first]
				assert.False(t, (ours || ourChart) && !has(have, m[1]),
					"%s:%d: --set %s: no value of the chart", path, block.Line, m[1])
			}
		}
	}
}
