package monitoring

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal"
)

const chart = "../../charts/vdi-operator"

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

func dashboard(t *testing.T) []Query {
	t.Helper()
	queries, err := Queries(read(t, filepath.Join(chart, "files/dashboards/vdi.json")))
	require.NoError(t, err)
	return queries
}

func alerts(t *testing.T) []Rule {
	t.Helper()
	rules, err := ParseRules(read(t, filepath.Join(chart, "files/alerts/vdi.yaml")))
	require.NoError(t, err)
	return rules.All()
}

// registered are the names of the series that operator, activator and portal have from their
// start, or once the installation has been looked at.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	reg := prometheus.NewRegistry()
	leads := func() bool { return true }
	metrics.RegisterBuildInfo(reg)
	metrics.NewActivator(reg, closing.Labels()...)
	metrics.RegisterReady(reg, func() error { return nil })
	metrics.NewOperator(reg).Condition(v1alpha1.ConditionKeysCurrent, metav1.ConditionTrue)
	metrics.RegisterActivatorsListening(reg, func() int { return 1 })
	metrics.NewNode(reg, func() int { return 1 })
	metrics.RegisterMemoryStalled(reg, func() float64 { return 0 })
	metrics.NewPortal(reg, portal.Reasons()...)
	metrics.RegisterPortalReady(reg, func() error { return nil })
	metrics.RegisterSignInsLive(reg, func() int { return 1 })
	pools := map[string]v1alpha1.TemplateWarmPool{"classroom": {Desired: 1}}
	reg.MustRegister(
		metrics.NewWarmPools(func() map[string]v1alpha1.TemplateWarmPool { return pools }, leads),
		metrics.NewSessions(func(context.Context) (metrics.Sessions, error) { return metrics.Sessions{}, nil }, leads),
		metrics.NewGPUSeconds(func(context.Context) ([]metrics.GPUDesktop, error) { return nil, nil }, leads, time.Now, "nvidia.com/gpu"))
	families, err := reg.Gather()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetMetric()[0].Histogram != nil {
			names[f.GetName()+"_bucket"], names[f.GetName()+"_count"], names[f.GetName()+"_sum"] = true, true, true
		}
	}
	return names
}

// ours are this product's metrics in an expression; coturn's have a test of their own.
var ours = regexp.MustCompile(`\bvdi_[a-z0-9_]+`)

func TestDashboardAndAlertsAskForMetricsThatThereAre(t *testing.T) {
	names := registered(t)
	exprs := map[string]string{}
	for _, q := range dashboard(t) {
		exprs[q.Expr] = q.Panel
	}
	for _, r := range alerts(t) {
		exprs[r.Expr] = r.Alert
	}
	require.GreaterOrEqual(t, len(exprs), 60, "expressions were found")
	for expr, where := range exprs {
		for _, name := range ours.FindAllString(expr, -1) {
			assert.False(t, !names[name] && !strings.HasPrefix(name, "vdi_turn_"), "%s: there is no metric %s", where, name)
		}
	}
}

func TestEveryExpressionIsAboutOneInstallation(t *testing.T) {
	selector := regexp.MustCompile(`\{[^}]*\}`)
	for _, q := range dashboard(t) {
		for _, s := range selector.FindAllString(q.Expr, -1) {
			assert.Contains(t, s, `namespace="$namespace"`, "%s: %s", q.Panel, q.Expr)
		}
	}
	for _, r := range alerts(t) {
		for _, s := range selector.FindAllString(r.Expr, -1) {
			assert.Contains(t, s, `namespace="vdi-system"`, "%s: %s", r.Alert, r.Expr)
		}
	}
}

func TestEveryAlertTellsWhatToDo(t *testing.T) {
	pages := string(read(t, "../../docs/alerts.md"))
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (VDI\w+)$`).FindAllStringSubmatch(pages, -1) {
		documented[m[1]] = true
	}
	for _, r := range alerts(t) {
		s := r.Labels["severity"]
		assert.False(t, s != "critical" && s != "warning", "%s: severity %q", r.Alert, s)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		assert.NotEmpty(t, r.Annotations["description"], "%s: annotations %v", r.Alert, r.Annotations)
		want := "docs/alerts.md#" + strings.ToLower(r.Alert)
		assert.True(t, strings.HasSuffix(r.Annotations["runbook_url"], want),
			"%s: runbook %q, want ...%s", r.Alert, r.Annotations["runbook_url"], want)
		assert.True(t, documented[r.Alert], "%s has no section in docs/alerts.md", r.Alert)
		delete(documented, r.Alert)
	}
	for name := range documented {
		t.Errorf("docs/alerts.md has a section %s, which is no alert", name)
	}
}

func TestEveryMetricIsExplained(t *testing.T) {
	text := string(read(t, "../../docs/observability.md"))
	for name := range registered(t) {
		plain := name
		for _, part := range []string{"_bucket", "_count", "_sum"} {
			plain = strings.TrimSuffix(plain, part)
		}
		assert.Contains(t, text, "`"+plain, "docs/observability.md does not explain %s", plain)
	}
}
