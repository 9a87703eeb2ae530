package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheActivatorsMetricsFollowPrometheusConventions(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewActivator(reg)
	m.Refused("no_token")
	RegisterBuildInfo(reg)
	RegisterReady(reg, func() error { return nil })
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n < 6 {
		t.Errorf("%d series were looked at, %v", n, err)
	}
}

func TestEveryStageHasASeriesBeforeItIsFirstSeen(t *testing.T) {
	m := NewActivator(prometheus.NewRegistry())
	if n := testutil.CollectAndCount(m.ColdStart); n != len(Stages) {
		t.Errorf("%d series, want one for each of %d stages", n, len(Stages))
	}
}

func TestEveryRefusalHasASeriesBeforeItIsFirstSeen(t *testing.T) {
	m := NewActivator(prometheus.NewRegistry(), "no_token", "bad_token")
	m.Refused("")
	if n := testutil.CollectAndCount(m.Refusals); n != 2 {
		t.Errorf("%d series, want one for each of 2 reasons", n)
	}
}
