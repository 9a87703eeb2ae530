package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheActivatorsMetricsFollowPrometheusConventions(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewActivator(reg)
	m.Refused(RefusedNoToken)
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
