package monitoring

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	require.NoError(t, err)
	require.Equal(t, []string{"vdi-operator"}, c.Jobs())
	assert.Len(t, c.Rules.All(), 1, "jobs, rules %+v", c.Rules)
	config, err := c.configuration("1s", "rules.yaml")
	require.NoError(t, err)
	for _, part := range []string{"- endpoints.json", "__meta_kubernetes_service_label_app_kubernetes_io_component", "__meta_kubernetes_endpoint_port_name", "regex: vdi-system", "replacement: vdi-operator"} {
		assert.Contains(t, string(config), part, "want %q in\n%s", part, config)
	}
	queries, err := Queries(c.Dashboard)
	require.NoError(t, err)
	require.Len(t, queries, 2)
	assert.Equal(t, `x{n="ns"}[1m]`, queries[1].With(Variables{Namespace: "ns", RateInterval: "1m"}))
}

func TestAMonitorThatIsOnlyHalfUnderstoodIsAnError(t *testing.T) {
	_, err := ParseChart([]byte(strings.Replace(rendered, "port: metrics", "port: metrics\n      scheme: https", 1)))
	assert.Error(t, err, "was taken")
}

func TestPodsAreFoundByThemselvesAndByTheirServices(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "vdi-system", Name: "operator-0", Labels: map[string]string{"app.kubernetes.io/component": "operator"}}
	pod := &corev1.Pod{ObjectMeta: meta, Status: corev1.PodStatus{PodIP: "10.0.0.1", Phase: corev1.PodRunning}, Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "operator", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}, {Name: "health", ContainerPort: 8081}}}}}}
	unplaced := pod.DeepCopy()
	unplaced.Name, unplaced.Status.PodIP = "operator-1", ""
	service := &corev1.Service{ObjectMeta: meta}
	service.Name = "operator-metrics"
	name, port := "metrics", int32(8080)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "a", Labels: map[string]string{discoveryv1.LabelServiceName: service.Name}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod.Name}}},
		Ports:      []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	pods := podTargets([]corev1.Pod{*pod, *unplaced})
	if len(pods) != 2 || pods[0].Targets[0] != "10.0.0.1:8080" || pods[0].Labels["__meta_kubernetes_pod_label_app_kubernetes_io_component"] != "operator" ||
		pods[1].Labels["__meta_kubernetes_pod_container_port_name"] != "health" {
		t.Errorf("pods: %+v", pods)
	}
	endpoints := endpointTargets([]corev1.Service{*service}, []discoveryv1.EndpointSlice{*slice}, []corev1.Pod{*pod})
	if len(endpoints) != 1 || endpoints[0].Targets[0] != "10.0.0.1:8080" || endpoints[0].Labels["__meta_kubernetes_service_label_app_kubernetes_io_component"] != "operator" ||
		endpoints[0].Labels["__meta_kubernetes_endpoint_port_name"] != "metrics" || endpoints[0].Labels["__meta_kubernetes_pod_container_name"] != "operator" {
		t.Errorf("endpoints: %+v", endpoints)
	}
}
