//go:build e2e

package smoke

import (
	"testing"

	"github.com/org/vdi-operator/test/platform/env"
)

// installation skips a benchmark on a cluster of somebody's, whose processes are not on
// this machine.
func installation(t *testing.T) env.Env {
	t.Helper()
	e, _, err := env.Load()
	if err != nil {
		t.Fatal(err)
	}
	if e.PortForward {
		t.Skip("benchmarks run on the test cluster only")
	}
	return e
}

func TestColdstartRuns(t *testing.T) {
	if !installation(t).Knative {
		t.Skip("it compares with Knative, which this installation does without")
	}
	summary(t, []string{"ours_p50_ms", "ours_api_p50_ms", "knative_p50_ms", "floor_p50_ms"}, "coldstart", "--rounds", "1")
}

func TestSelkies16Runs(t *testing.T) {
	installation(t)
	summary(t, []string{"cold_p50_ms", "cold_first_visit_p50_ms", "warm_direct_p50_ms"}, "selkies16", "--rounds", "1")
}

func TestSessionsRuns(t *testing.T) {
	installation(t)
	summary(t, []string{"objects_per_session", "bytes_per_session", "made_per_second"}, "sessions", "--sessions", "2", "--others", "0", "--settling", "1s", "--quiet", "5s")
}
