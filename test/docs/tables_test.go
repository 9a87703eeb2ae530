package docs

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

const limitsPage, clocksPage = "docs/operations/limits.md", "docs/clocks.md"

// row is a page's table row that begins with a name in backquotes, in its first or
// second cell.
func row(page *Page, name string) string {
	for _, line := range strings.Split(string(page.source), "\n") {
		cells := strings.Split(line, "|")
		if strings.HasPrefix(line, "|") && len(cells) > 3 && slices.Contains([]string{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])}, "`"+name+"`") {
			return line
		}
	}
	return ""
}

func TestTheTablesHaveEveryLimitAndClockWithItsDefault(t *testing.T) {
	all, chart := pages(t), values(t)
	has := func(page, name, value string) {
		assert.Contains(t, row(all[page], name), "| "+value, "%s: the row of %s, which has not the default %s", page, name, value)
	}
	for name, value := range chart["limits"].(map[string]any) {
		switch v := value.(type) {
		case map[string]any:
			has(limitsPage, name, fmt.Sprintf("%.0f, %.0f", v["perSecond"], v["burst"]))
		case float64:
			has(limitsPage, name, fmt.Sprintf("%.0f", v))
		default:
			has(limitsPage, name, fmt.Sprint(v))
		}
	}
	for _, clock := range lifecycle.Clocks {
		value := fmt.Sprint(chart["sessions"].(map[string]any)[clock.Name])
		d, err := time.ParseDuration(value)
		require.NoError(t, err)
		assert.Equal(t, clock.Default, d, "values.yaml has sessions.%s: %s", clock.Name, value)
		has(clocksPage, "sessions."+clock.Name, value)
	}
}

// bounds is what this test reads of a value's schema.
type bounds struct {
	Minimum          *float64          `json:"minimum"`
	Maximum          *float64          `json:"maximum"`
	ExclusiveMinimum *float64          `json:"exclusiveMinimum"`
	Properties       map[string]bounds `json:"properties"`
}

func TestEveryLimitIsTheSameInTheProgramsTheChartItsSchemaAndThePage(t *testing.T) {
	var schema bounds
	raw, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err == nil {
		err = json.Unmarshal(raw, &schema)
	}
	require.NoError(t, err)
	inChart := map[string]any{}
	for name, value := range values(t)["limits"].(map[string]any) {
		rate, isRate := value.(map[string]any)
		if !isRate {
			inChart[name] = value
		}
		for part, number := range rate {
			inChart[name+"."+part] = number
		}
	}
	page, labels := pages(t)[limitsPage], closing.Labels()
	for _, limit := range config.LimitTable {
		outer, _, _ := strings.Cut(limit.Name, ".")
		require.False(t, !strings.Contains(row(page, outer), "`"+limit.Refusal+"`") && limit.Refusal != "", limitsPage)
		assert.False(t, limit.Refusal == "" && !strings.Contains(row(page, outer), "| none: "),
			"%s: the row of %s is %q, which has not the reason %q", limitsPage, outer, row(page, outer), limit.Refusal)
		assert.False(t, limit.Refusal != "" && !slices.Contains(labels, limit.Refusal),
			"%s: no refusal has the label %s", limit.Name, limit.Refusal)
		number, isNumber := inChart[limit.Name].(float64)
		if text, isText := inChart[limit.Name].(string); isText {
			d, err := time.ParseDuration(text)
			assert.NoError(t, err, "values.yaml: limits.%s", limit.Name)
			number = float64(d)
		}
		_, there := inChart[limit.Name]
		require.True(t, there)
		assert.Equal(t, limit.Default, number, "values.yaml: limits.%s is %v", limit.Name, inChart[limit.Name])
		delete(inChart, limit.Name)

		at := schema.Properties["limits"]
		for _, part := range strings.Split(limit.Name, ".") {
			at = at.Properties[part]
		}
		least := at.Minimum
		if limit.Above {
			least = at.ExclusiveMinimum
		}
		switch {
		case isNumber && (least == nil || *least != limit.Min):
			t.Errorf("values.schema.json: limits.%s does not have the bound %v", limit.Name, limit.Min)
		case isNumber && (at.Maximum == nil || *at.Maximum != limit.Max):
			t.Errorf("values.schema.json: limits.%s does not have the greatest value %v", limit.Name, limit.Max)
		}
	}
	assert.Empty(t, inChart, "values.yaml has limits that the programs do not know")
}

func TestThePageOfLimitsHasEveryReasonOfARefusal(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics.NewActivator(reg, closing.Labels()...)
	families, err := reg.Gather()
	require.NoError(t, err)
	explained := pages(t)[limitsPage].Spans()
	reasons := 0
	for _, f := range families {
		if f.GetName() != "vdi_activator_refusals_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			reasons++
			assert.Contains(t, explained, m.GetLabel()[0].GetValue(), "%s does not have the reason", limitsPage)
		}
	}
	assert.NotEqual(t, 0, reasons, "the activator counts no refusals")
}

// phaseAndReason is what a row of the page of symptoms begins with, such as Failed, Refused.
var phaseAndReason = regexp.MustCompile(`(?m)^\| (?:Pending|Creating|Failed), (\w+) \|`)

func TestThePageOfSymptomsNamesReasonsThatThereAre(t *testing.T) {
	const page = "docs/troubleshooting.md"
	declared, err := os.ReadFile("../../pkg/apis/vdi/v1alpha1/reasons.go")
	require.NoError(t, err)
	rows := phaseAndReason.FindAllStringSubmatch(string(pages(t)[page].source), -1)
	for _, row := range rows {
		assert.Contains(t, string(declared), fmt.Sprintf("= %q\n", row[1]), "%s: no condition has the reason %s", page, row[1])
	}
	assert.NotEmpty(t, rows, "%s names no reason beside a phase", page)
}

// reason is a constant of the API that a condition, status.waiting or an event has.
var reason = regexp.MustCompile(`(?m)^\t(?:Reason|Event)\w+ += "(\w+)"$`)

func TestEveryReasonIsExplained(t *testing.T) {
	declared, err := os.ReadFile("../../pkg/apis/vdi/v1alpha1/reasons.go")
	require.NoError(t, err)
	all := pages(t)
	explained := append(all["docs/troubleshooting.md"].Spans(), all["docs/knative.md"].Spans()...)
	reasons := reason.FindAllSubmatch(declared, -1)
	require.NotEmpty(t, reasons)
	for _, r := range reasons {
		assert.Contains(t, explained, string(r[1]), "neither the page of symptoms nor Knative's explains the reason")
	}
}

// named is a page of ours in a program, a template, a value or an alert.
var named = regexp.MustCompile(`(?:^|[^/\w]|blob/main/)(docs/[\w./-]+\.md)(?:#([\w-]+))?`)

func TestEveryPageThatTheProductNamesIsThere(t *testing.T) {
	all, seen := pages(t), 0
	for _, folder := range []string{"activator", "charts", "cmd", "config", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range named.FindAllSubmatch(text, -1) {
				seen++
				if page := all[string(m[1])]; page == nil || len(m[2]) > 0 && !page.Anchors()[string(m[2])] {
					t.Errorf("%s names %s#%s, which is not there", path, m[1], m[2])
				}
			}
			return err
		})
		require.NoError(t, err)
	}
	assert.GreaterOrEqual(t, seen, 10, "the product names %d pages: they are not found", seen)
}

// ofTheTree is a file or folder of this repository in a page's text.
var ofTheTree = regexp.MustCompile(`^(?:activator|build|charts|cmd|config|pkg|test)(?:/[\w-]+(?:\.[a-z]+)*)+$`)

// inBraces is a span such as pkg/{token,turn}.
var inBraces = regexp.MustCompile(`^(.*){(.*)}$`)

func TestTheLayoutHasEveryFolder(t *testing.T) {
	var named []string
	for _, span := range pages(t)["docs/development.md"].Spans() {
		if m := inBraces.FindStringSubmatch(span); m != nil {
			for name := range strings.SplitSeq(m[2], ",") {
				named = append(named, m[1]+name)
			}
			continue
		}
		named = append(named, span)
	}
	for _, parent := range []string{"pkg", "test"} {
		entries, err := os.ReadDir(filepath.Join(root, parent))
		require.NoError(t, err)
		for _, entry := range entries {
			folder := parent + "/" + entry.Name()
			is := func(span string) bool { return span == folder || strings.HasPrefix(span, folder+"/") }
			assert.True(t, !entry.IsDir() || slices.ContainsFunc(named, is), "docs/development.md does not say what lives in %s", folder)
		}
	}
}

func TestEveryFolderThatAPageNamesIsThere(t *testing.T) {
	for path, page := range pages(t) {
		for _, span := range page.Spans() {
			if !ofTheTree.MatchString(span) {
				continue
			}
			_, err := os.Stat(filepath.Join(root, span))
			assert.NoError(t, err, "%s: `%s` is not there", path, span)
		}
	}
}
