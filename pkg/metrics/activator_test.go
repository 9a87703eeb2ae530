package metrics

import (
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheActivatorsMetricsFollowPrometheusConventions(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewActivator(reg)
	m.Refused(RefusedNoToken)
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
	declared := map[string]bool{}
	for _, file := range []string{"activator.go", "sockets.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Refused\w+ +Refusal = "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			declared[m[1]] = true
		}
	}
	m := NewActivator(prometheus.NewRegistry())
	if n := testutil.CollectAndCount(m.Refusals); n != len(declared) || n < 40 {
		t.Errorf("%d series, want one for each of %d reasons", n, len(declared))
	}
	for _, r := range Refusals {
		if !declared[string(r)] {
			t.Errorf("%s is listed twice, or is none", r)
		}
		delete(declared, string(r))
	}
}
