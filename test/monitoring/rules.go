package monitoring

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// Rules is a file of Prometheus' rules, which is also the spec of a PrometheusRule.
type Rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []Rule `json:"rules"`
	} `json:"groups"`
}

// Rule is one alert.
type Rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ParseRules reads such a file; a key that it does not know is an error.
func ParseRules(file []byte) (Rules, error) {
	var r Rules
	if err := yaml.UnmarshalStrict(file, &r); err != nil {
		return Rules{}, fmt.Errorf("the alerts: %w", err)
	}
	return r, nil
}

// All are the rules of every group.
func (r Rules) All() []Rule {
	var all []Rule
	for _, g := range r.Groups {
		all = append(all, g.Rules...)
	}
	return all
}
