//go:build e2e

package smoke

import (
	"testing"

	"github.com/org/vdi-operator/test/platform/env"
)

// stockKnative skips a benchmark that needs Knative where the installation has none.
func stockKnative(t *testing.T) {
	t.Helper()
	switch e, _, err := env.Load(); {
	case err != nil:
		t.Fatal(err)
	case !e.Knative:
		t.Skip("this installation has no Knative")
	}
}

func TestColdstartRuns(t *testing.T) {
	stockKnative(t)
	summary(t, []string{"ours_p50_ms", "ours_api_p50_ms", "knative_p50_ms", "floor_p50_ms"}, "coldstart", "--rounds", "1")
}

func TestSelkies16Runs(t *testing.T) {
	summary(t, []string{"cold_p50_ms", "cold_first_visit_p50_ms", "warm_direct_p50_ms"}, "selkies16", "--rounds", "1")
}

func TestSessionsRuns(t *testing.T) {
	summary(t, []string{"objects_per_session", "bytes_per_session", "made_per_second"}, "sessions", "--sessions", "2", "--others", "0")
}
