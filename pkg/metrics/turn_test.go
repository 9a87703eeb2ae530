package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheTURNServersMetricsFollowPrometheusConventions(t *testing.T) {
	reg := prometheus.NewRegistry()
	one := func() float64 { return 1 }
	m := NewTURN(reg, TURNState{Allocations: one, Ports: one, PortsUsed: one, Version: "4.6.1", TLS: true})
	m.Refused(TURNRefusedPeer)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	assert.Equal(t, len(turnRefusals), testutil.CollectAndCount(m.refusals), "series of refusals")
}
