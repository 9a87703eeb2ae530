package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

var (
	// orLater is a page's sentence about Kubernetes that stands for itself.
	orLater = regexp.MustCompile(`Kubernetes (1\.\d+) or\s+later( for Knative)?`)
	// oldestInTheLog is the changelog's.
	oldestInTheLog = regexp.MustCompile(`Kubernetes (1\.\d+) is the oldest that the chart installs on`)
	// knativeNeeds is what a page says that the Knative of the tests needs.
	knativeNeeds = regexp.MustCompile(`1\.\d+ needs (?:Kubernetes )?(1\.\d+)`)
	// runsOn is what the tests run on.
	runsOn = regexp.MustCompile(`[Tt]he\s+tests\s+run\s+on\s+(?:Kubernetes\s+)?(1\.\d+)`)
)

// chartFile is the chart's Chart.yaml as it is written, and the oldest Kubernetes that it takes.
func chartFile(t *testing.T) (text, oldest string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	require.NoError(t, err)
	var fields struct {
		KubeVersion string `json:"kubeVersion"`
	}
	require.NoError(t, yaml.Unmarshal(raw, &fields))
	oldest, is := strings.CutPrefix(fields.KubeVersion, ">=")
	require.True(t, is, fields.KubeVersion)
	return string(raw), minor(oldest)
}

// minor is a version without its patch: v1.35.4 is 1.35.
func minor(v string) string {
	parts := strings.Split(strings.TrimPrefix(v, "v"), ".")
	return strings.Join(parts[:2], ".")
}

// oldestOfKnative is in Knative's source.
var oldestOfKnative = regexp.MustCompile(`DefaultKubernetesMinVersion = "(v[\d.]+)"`)

// ofKnative is the oldest Kubernetes on which the Knative of the tests starts.
func ofKnative(t *testing.T) string {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "knative.dev/pkg").Output()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "version", "version.go"))
	require.NoError(t, err)
	m := oldestOfKnative.FindSubmatch(source)
	require.NotNil(t, m, "Knative's source does not name its oldest Kubernetes")
	return minor(string(m[1]))
}

func TestAllSayTheSameOldestKubernetes(t *testing.T) {
	all := pages(t)
	_, oldest := chartFile(t)
	knative := ofKnative(t)
	for _, path := range []string{"README.md", "docs/install.md", "charts/vdi-operator/README.md"} {
		require.NotNil(t, all[path], path)
		assert.Regexp(t, orLater, string(all[path].source), path)
	}
	for path, page := range all {
		for _, m := range orLater.FindAllStringSubmatch(string(page.source), -1) {
			want := oldest
			if m[2] != "" {
				want = knative
			}
			assert.Equal(t, want, m[1], "%s: %q", path, m[0])
		}
	}
	m := oldestInTheLog.FindSubmatch(all["docs/changelog.md"].source)
	require.NotNil(t, m, "the changelog names no oldest Kubernetes")
	assert.Equal(t, oldest, string(m[1]))
}

func TestAllSayTheSameOfKnativeAndOfTheTests(t *testing.T) {
	file, _ := chartFile(t)
	texts := map[string]string{"Chart.yaml": strings.ReplaceAll(file, "\n#", "")}
	for path, page := range pages(t) {
		texts[path] = string(page.source)
	}
	said, knative := 0, ofKnative(t)
	for where, text := range texts {
		for _, m := range knativeNeeds.FindAllStringSubmatch(text, -1) {
			said++
			assert.Equal(t, knative, m[1], "%s: %q", where, m[0])
		}
		for _, m := range runsOn.FindAllStringSubmatch(text, -1) {
			said++
			assert.Contains(t, []string{minor(helm.KubeVersion), "1.23"}, m[1], "%s: %q", where, m[0])
		}
	}
	assert.GreaterOrEqual(t, said, 5, "the sentences are not found")
}
