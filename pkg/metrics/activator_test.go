package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheActivatorsMetricsFollowPrometheusConventions(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewActivator(reg)
	m.Refused("no_token")
	RegisterBuildInfo(reg)
	RegisterReady(reg, func() error { return nil })
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	n, err := testutil.GatherAndCount(reg)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, n, 6, "series were looked at")
}

func TestEveryStageHasASeriesBeforeItIsFirstSeen(t *testing.T) {
	m := NewActivator(prometheus.NewRegistry())
	assert.Equal(t, len(Stages), testutil.CollectAndCount(m.ColdStart), "series")
}

func TestEveryRefusalHasASeriesBeforeItIsFirstSeen(t *testing.T) {
	m := NewActivator(prometheus.NewRegistry(), "no_token", "bad_token")
	m.Refused("")
	assert.Equal(t, 2, testutil.CollectAndCount(m.Refusals), "series, want one for each of 2 reasons")
}
