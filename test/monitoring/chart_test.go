//go:build helm

package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// render is what the chart gives to a release "desk" in the namespace "desktops"; its
// error is what Helm says.
func render(t *testing.T, settings ...string) (string, error) {
	t.Helper()
	if _, err := helm.Program(); err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, s := range settings {
		flags = append(flags, "--set", s)
	}
	text, err := helm.Release{Name: "desk", Namespace: "desktops"}.Template(t.Context(), flags...)
	if err != nil {
		return err.Error(), err
	}
	return text, nil
}

var everything = []string{"serviceMonitor.enabled=true", "podMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true"}

func TestNothingIsMadeForAMonitoringSystemThatThereIsNot(t *testing.T) {
	text, err := render(t)
	require.NoError(t, err, text)
	for _, part := range []string{"monitoring.coreos.com", "grafana_dashboard", "prometheus.io/", "--pprof-bind-address", "tracing:"} {
		assert.NotContains(t, text, part, "is in the default render")
	}
	require.Contains(t, text, "--log-level=info")
	assert.Contains(t, text, "name: desk-operator-metrics", "the log's level or the Service of the operator's metrics is missing")
}

func TestMonitorsAndAlertsAreTheReleasesOwn(t *testing.T) {
	text, err := render(t, append(everything, "prometheusRule.runbookURL=https://wiki.example.com/vdi",
		"prometheusRule.additionalRules[0].alert=Mine", "prometheusRule.additionalRules[0].expr=up == 0",
		"serviceMonitor.labels.release=stack", "podMonitor.interval=5s", "podMonitor.scrapeTimeout=4s")...)
	require.NoError(t, err, text)
	c, err := ParseChart([]byte(text))
	require.NoError(t, err)
	want := []string{"desk-coturn", "desk-operator", "desk-activator"}
	assert.True(t, sameStrings(c.Jobs(), want), "jobs %v, want %v", c.Jobs(), want)
	rules := c.Rules.All()
	require.Len(t, rules, len(alerts(t))+1)
	assert.Equal(t, "Mine", rules[len(rules)-1].Alert, "alerts, the last of them")
	for _, r := range rules[:len(rules)-1] {
		if strings.Contains(r.Expr, "vdi-system") || strings.Contains(r.Expr, `job="vdi-`) || !strings.Contains(r.Expr, `namespace="desktops"`) || r.Labels["namespace"] == "vdi-system" {
			t.Errorf("%s asks for another release: %s", r.Alert, r.Expr)
		}
		assert.Equal(t, "https://wiki.example.com/vdi#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"],
			"%s: runbook", r.Alert)
	}
	queries, err := Queries(c.Dashboard)
	require.NoError(t, err)
	assert.Len(t, queries, len(dashboard(t)), "queries")
	for _, part := range []string{"release: stack", `grafana_dashboard: "1"`, "interval: 5s", "scrapeTimeout: 4s"} {
		assert.Contains(t, text, part, "want %q in the manifests", part)
	}

	file := filepath.Join(t.TempDir(), "rules.yaml")
	spec, err := yaml.Marshal(c.Rules)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, spec, 0o600))
	out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput()
	assert.NoError(t, err, "%s", out)
	config, err := c.configuration("1s", file)
	require.NoError(t, err)
	configFile := filepath.Join(t.TempDir(), "prometheus.yaml")
	for name, content := range map[string][]byte{configFile: config, filepath.Join(filepath.Dir(configFile), podsFile): []byte("[]"), filepath.Join(filepath.Dir(configFile), endpointsFile): []byte("[]")} {
		require.NoError(t, os.WriteFile(name, content, 0o600))
	}
	out, err = exec.Command("promtool", "check", "config", configFile).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestEveryPanelOfTheDashboardAsksInPromQL(t *testing.T) {
	type recording struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []recording
	for _, q := range dashboard(t) {
		rules = append(rules, recording{"vdi:panel", q.With(Variables{Namespace: "vdi-system", RateInterval: "1m", Range: "6h"})})
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	content, err := yaml.Marshal(object{"groups": []object{{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	// Without its linter, which minds that all have one name.
	out, err := exec.Command("promtool", "check", "rules", "--lint=none", file).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestWithoutCoturnNothingOfItIsScrapedOrMissed(t *testing.T) {
	text, err := render(t, append(everything, "coturn.enabled=false")...)
	require.NoError(t, err, text)
	c, err := ParseChart([]byte(text))
	require.NoError(t, err)
	assert.True(t, sameStrings(c.Jobs(), []string{"desk-operator", "desk-activator"}), "jobs %v", c.Jobs())
	misses := `absent(up{job="desk-coturn"`
	assert.NotContains(t, text, misses)
	with, err := render(t, everything...)
	require.NoError(t, err, with)
	assert.Contains(t, with, misses)
}

func TestSwitchesReachThePrograms(t *testing.T) {
	text, err := render(t, "operator.logLevel=debug", "activator.logLevel=warn", "operator.pprof.enabled=true", "activator.pprof.enabled=true",
		"prometheusAnnotations.enabled=true", "tracing.endpoint=otel:4318", "tracing.insecure=true", "tracing.samplingRatio=0.5")
	require.NoError(t, err, text)
	for part, times := range map[string]int{
		"--log-level=debug": 1, "--log-level=warn": 1, "--pprof-bind-address=127.0.0.1:6060": 2,
		`prometheus.io/port: "8080"`: 1, `prometheus.io/port: "9090"`: 1, `prometheus.io/scrape: "true"`: 2,
		`endpoint: "otel:4318"`: 2, "insecure: true": 2, "samplingRatio: 0.5": 2,
	} {
		assert.Equal(t, times, strings.Count(text, part), "%q is there times", part)
	}
}

func TestBadValuesAreRefusedByName(t *testing.T) {
	for setting, says := range map[string]string{
		"tracing.endpoint=http://otel:4318":        "endpoint",
		"tracing.samplingRatio=10":                 "samplingRatio",
		"operator.logLevel=loud":                   "logLevel",
		"serviceMonitor.interval=0s":               "interval",
		"serviceMonitor.intervall=1s":              "intervall",
		"prometheusRule.runbookURL=docs/alerts.md": "runbookURL",
		"prometheusRule.additionalRules=none":      "additionalRules",
		"dashboard.namespace=Not_A_Namespace":      "namespace",
		"activator.pprof.address=0.0.0.0:6060":     "address",
		"podMonitor.labels.release.of=a":           "release",
		"prometheusAnnotations.enabled=perhaps":    "prometheusAnnotations",
	} {
		text, err := render(t, setting)
		require.Error(t, err, setting)
		assert.Contains(t, text, says, "%s: %v, want %q in: %s", setting, err, says, text)
	}
}

func sameStrings(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
