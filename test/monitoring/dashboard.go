// Package monitoring reads what the chart gives to a monitoring system as that system
// does: the dashboard, the alerts, and the monitors that say what is scraped. It can
// run a real Prometheus with them.
package monitoring

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Query is one expression of the dashboard.
type Query struct {
	// Panel is the title of the panel that shows it.
	Panel string
	// Expr has Grafana's variables in it.
	Expr string
}

// Variables are what Grafana puts in their places.
type Variables struct{ Namespace, RateInterval, Range string }

// With is the expression as Prometheus gets it.
func (q Query) With(v Variables) string {
	return strings.NewReplacer("$namespace", v.Namespace, "$__rate_interval", v.RateInterval, "$__range", v.Range).Replace(q.Expr)
}

type panel struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Panels  []panel
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

// Queries are a dashboard's, those of collapsed rows included.
func Queries(dashboard []byte) ([]Query, error) {
	var d struct {
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal(dashboard, &d); err != nil {
		return nil, fmt.Errorf("the dashboard: %w", err)
	}
	var all []Query
	var walk func([]panel)
	walk = func(panels []panel) {
		for _, p := range panels {
			for _, t := range p.Targets {
				all = append(all, Query{Panel: p.Title, Expr: t.Expr})
			}
			walk(p.Panels)
		}
	}
	walk(d.Panels)
	return all, nil
}
