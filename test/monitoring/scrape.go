package monitoring

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Chart is what a rendered chart has for monitoring.
type Chart struct {
	Dashboard []byte
	Rules     Rules
	monitors  []monitor
}

// monitor is a ServiceMonitor or a PodMonitor, as far as the chart uses one.
type monitor struct {
	kind, name string
	spec       monitorSpec
}

type monitorSpec struct {
	NamespaceSelector struct {
		MatchNames []string `json:"matchNames"`
	} `json:"namespaceSelector"`
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	Endpoints           []endpoint `json:"endpoints,omitempty"`
	PodMetricsEndpoints []endpoint `json:"podMetricsEndpoints,omitempty"`
}

type endpoint struct {
	Port          string       `json:"port"`
	Path          string       `json:"path"`
	Interval      string       `json:"interval"`
	ScrapeTimeout string       `json:"scrapeTimeout"`
	Relabelings   []relabeling `json:"relabelings"`
}

type relabeling struct {
	Action      string `json:"action"`
	TargetLabel string `json:"targetLabel"`
	Replacement string `json:"replacement"`
}

// ParseChart finds the objects for monitoring among a chart's manifests. Monitors are
// read strictly: what Start would leave out is an error.
func ParseChart(manifests []byte) (Chart, error) {
	var c Chart
	for document := range strings.SplitSeq(string(manifests), "\n---") {
		var o struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec any               `json:"spec"`
			Data map[string]string `json:"data"`
		}
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return Chart{}, fmt.Errorf("a manifest: %w", err)
		}
		spec, err := yaml.Marshal(o.Spec)
		if err != nil {
			return Chart{}, err
		}
		switch o.Kind {
		case "ServiceMonitor", "PodMonitor":
			m := monitor{kind: o.Kind, name: o.Metadata.Name}
			if err := yaml.UnmarshalStrict(spec, &m.spec); err != nil {
				return Chart{}, fmt.Errorf("%s %s: %w", o.Kind, o.Metadata.Name, err)
			}
			c.monitors = append(c.monitors, m)
		case "PrometheusRule":
			if c.Rules, err = ParseRules(spec); err != nil {
				return Chart{}, err
			}
		case "ConfigMap":
			if text, ok := o.Data["vdi.json"]; ok {
				c.Dashboard = []byte(text)
			}
		}
	}
	return c, nil
}

// Jobs are the names that the monitors give to what they scrape.
func (c Chart) Jobs() []string {
	var jobs []string
	for _, m := range c.monitors {
		for _, e := range slices.Concat(m.spec.Endpoints, m.spec.PodMetricsEndpoints) {
			for _, r := range e.Relabelings {
				if r.TargetLabel == "job" {
					jobs = append(jobs, r.Replacement)
				}
			}
		}
	}
	return jobs
}

// object is a part of Prometheus' configuration.
type object = map[string]any

// configuration is what the Prometheus Operator makes of the monitors (its
// pkg/prometheus/promcfg.go), with an interval of its own and with files in the place of
// Prometheus' discovery, which Debian's is built without: see discover.
func (c Chart) configuration(interval, rules string) ([]byte, error) {
	var scrapes []object
	for _, m := range c.monitors {
		for _, e := range m.spec.Endpoints {
			scrapes = append(scrapes, m.scrape(e, endpointsFile, "__meta_kubernetes_service_label_", "__meta_kubernetes_endpoint_port_name"))
		}
		for _, e := range m.spec.PodMetricsEndpoints {
			scrapes = append(scrapes, m.scrape(e, podsFile, "__meta_kubernetes_pod_label_", "__meta_kubernetes_pod_container_port_name"))
		}
	}
	return yaml.Marshal(object{
		"global":         object{"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
		"rule_files":     []string{rules},
		"scrape_configs": scrapes,
	})
}

func (m monitor) scrape(e endpoint, targets, labelPrefix, portLabel string) object {
	keep := func(label, value string) object { return keepOneOf(label, []string{value}) }
	copied := func(from, to string) object {
		return object{"source_labels": []string{from}, "target_label": to}
	}
	relabel := []object{keepOneOf("__meta_kubernetes_namespace", m.spec.NamespaceSelector.MatchNames)}
	labels := m.spec.Selector.MatchLabels
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		relabel = append(relabel, keep(labelPrefix+labelName(name), labels[name]))
	}
	relabel = append(relabel, keep(portLabel, e.Port),
		object{"action": "drop", "source_labels": []string{"__meta_kubernetes_pod_phase"}, "regex": "(Failed|Succeeded)"},
		copied("__meta_kubernetes_namespace", "namespace"),
		copied("__meta_kubernetes_pod_name", "pod"),
		copied("__meta_kubernetes_pod_container_name", "container"))
	for _, r := range e.Relabelings {
		relabel = append(relabel, object{"action": r.Action, "target_label": r.TargetLabel, "replacement": r.Replacement})
	}
	return object{
		"job_name":        m.kind + "/" + m.name,
		"metrics_path":    e.Path,
		"file_sd_configs": []object{{"files": []string{targets}}},
		"relabel_configs": relabel,
	}
}

// keepOneOf drops what has none of the values.
func keepOneOf(label string, values []string) object {
	var alternatives []string
	for _, v := range values {
		alternatives = append(alternatives, regexp.QuoteMeta(v))
	}
	return object{"action": "keep", "source_labels": []string{label}, "regex": strings.Join(alternatives, "|")}
}
