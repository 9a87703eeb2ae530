package metrics

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// What a desktop that would start from zero found in its template's warm pool.
const (
	PoolClaimed = "claimed"
	PoolEmpty   = "empty"
	PoolDiffers = "differs"
)

// Why the API server refused a desktop of a warm pool.
const (
	PoolRefusedQuota   = "quota"
	PoolRefusedPolicy  = "policy"
	PoolRefusedInvalid = "invalid"
	PoolRefusedOther   = "other"
)

// PoolClaim counts a desktop that would start from zero; result is one of PoolClaimed, PoolEmpty
// and PoolDiffers.
func (m *Operator) PoolClaim(result string) { m.poolClaims.WithLabelValues(result).Inc() }

// PoolRefused counts a desktop of a pool that could not be made; reason is one of PoolRefusedQuota,
// PoolRefusedPolicy, PoolRefusedInvalid and PoolRefusedOther.
func (m *Operator) PoolRefused(reason string) { m.poolRefusals.WithLabelValues(reason).Inc() }

// NewWarmPools is the gauge of warm pools by template and state, read at each scrape at which counts
// is true.
func NewWarmPools(read func() map[string]v1alpha1.TemplateWarmPool, counts func() bool) prometheus.Collector {
	desktops := prometheus.NewDesc("vdi_warm_pool_desktops",
		"Desktops of warm pools, by template and state: missing or starting, ready and running, ready and dozing, or claimed by a session.",
		[]string{"template", "state"}, nil)
	return &atScrape{counts: counts, descs: []*prometheus.Desc{desktops},
		read: func(_ context.Context, ch chan<- prometheus.Metric) error {
			all := read()
			for _, template := range slices.Sorted(maps.Keys(all)) {
				is := all[template]
				for _, of := range []struct {
					state string
					n     int32
				}{
					{"missing", max(0, is.Desired-is.Ready)}, {"ready", is.Ready - is.Dozing}, {"dozing", is.Dozing}, {"claimed", is.Claimed},
				} {
					ch <- prometheus.MustNewConstMetric(desktops, prometheus.GaugeValue, float64(of.n), template, of.state)
				}
			}
			return nil
		}}
}
