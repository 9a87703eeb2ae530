package monitoring

import (
	"slices"
	"strings"
	"testing"
)

const rendered = `---
# Source: a
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: vdi-operator}
spec:
  namespaceSelector: {matchNames: [vdi-system]}
  selector: {matchLabels: {app.kubernetes.io/component: operator}}
  endpoints:
    - port: metrics
      path: /metrics
      interval: 30s
      scrapeTimeout: 10s
      relabelings: [{action: replace, targetLabel: job, replacement: vdi-operator}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: dashboard}
data: {vdi.json: '{"panels":[{"title":"a","targets":[{"expr":"up"}],"panels":[{"title":"b","targets":[{"expr":"x{n=\"$namespace\"}[$__rate_interval]"}]}]}]}'}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: vdi}
spec: {groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]}
`

func TestAChartsObjectsAreReadAsTheirUsersDo(t *testing.T) {
	c, err := ParseChart([]byte(rendered))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Jobs(), []string{"vdi-operator"}) || len(c.Rules.All()) != 1 {
		t.Errorf("jobs %v, rules %+v", c.Jobs(), c.Rules)
	}
	config, err := c.configuration("/k", "1s", "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"role: endpoints", "__meta_kubernetes_service_label_app_kubernetes_io_component", "__meta_kubernetes_endpoint_port_name", "kubeconfig_file: /k", "replacement: vdi-operator"} {
		if !strings.Contains(string(config), part) {
			t.Errorf("want %q in\n%s", part, config)
		}
	}
	queries, err := Queries(c.Dashboard)
	if err != nil || len(queries) != 2 {
		t.Fatalf("%v %v", queries, err)
	}
	if got := queries[1].With(Variables{Namespace: "ns", RateInterval: "1m"}); got != `x{n="ns"}[1m]` {
		t.Errorf("have %s", got)
	}
}

func TestAMonitorThatIsOnlyHalfUnderstoodIsAnError(t *testing.T) {
	if _, err := ParseChart([]byte(strings.Replace(rendered, "port: metrics", "port: metrics\n      scheme: https", 1))); err == nil {
		t.Error("was taken")
	}
}
