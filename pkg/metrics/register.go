// Package metrics names what the operator and the activator count: each program's
// metrics in a file of its own. It registers them and counts nothing itself, but for
// what follows from the sessions as they are at a scrape.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// registry makes metrics and registers them.
type registry struct{ promauto.Factory }

func with(reg prometheus.Registerer) registry { return registry{promauto.With(reg)} }

func (r registry) counter(name, help string) prometheus.Counter {
	return r.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func (r registry) gauge(name, help string) prometheus.Gauge {
	return r.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// gaugeFunc is asked at each scrape.
func (r registry) gaugeFunc(name, help string, f func() float64) {
	r.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

// counters have one label, and a series for each of its values from the start.
func counters[L ~string](r registry, name, help, label string, values ...L) *prometheus.CounterVec {
	v := r.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, value := range values {
		v.WithLabelValues(string(value))
	}
	return v
}
