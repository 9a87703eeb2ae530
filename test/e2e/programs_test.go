//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/test/bench/smoke"
	"github.com/org/vdi-operator/test/harness"
)

// gpus are the node's two: at most two stories share them, and others need both.
var gpus sync.RWMutex

// TestTheDemoShowsADesktopThatWakesSleepsAndWakesWithItsHome runs what make demo runs: a
// person in Chromium at a desktop at zero pods, which dozes when its visitor leaves, where nodes
// can freeze it, and sleeps. The demo fails at a step that does not come about.
func TestTheDemoShowsADesktopThatWakesSleepsAndWakesWithItsHome(t *testing.T) {
	t.Parallel()
	gpus.RLock()
	defer gpus.RUnlock()
	ctx := story(t)
	demo := filepath.Join(in.Root, "out", "bin", "demo")
	printed, err := harness.Output(ctx, in.Root, demo)
	said, _, _ := strings.Cut(printed, "?vdi_token=")
	t.Log(said)
	assert.NoError(t, err)
	wants := []string{"Asleep", "zero pods", "first frame", "written before the desktop slept", "?vdi_token="}
	nodes, err := in.Programs(ctx, nodeapi.Component)
	require.NoError(t, err)
	if len(nodes) > 0 {
		wants = append(wants, "dozing: pod desk-", "the desktop answered", "asleep: "+string(lifecycle.ReasonDozeFor))
	} else {
		wants = append(wants, "asleep: "+string(lifecycle.ReasonDisconnected))
	}
	for _, want := range wants {
		assert.Contains(t, printed, want, "the demo did not print")
	}
	_, err = harness.Output(ctx, in.Root, demo, "down")
	assert.NoError(t, err)
}

func TestTheBenchmarksRun(t *testing.T) {
	t.Parallel()
	if in.PortForward {
		t.Skip("benchmarks run on the test cluster only")
	}
	for _, bench := range []struct {
		name          string
		args, figures []string
		knative       bool
	}{
		{"coldstart", []string{"--rounds", "1"}, []string{"ours_p50_ms", "ours_api_p50_ms", "doze_p50_ms", "knative_p50_ms", "floor_p50_ms"}, true},
		{"instant", []string{"--desktops", "1", "--rounds", "1"}, []string{"doze_p95_ms", "paged_p95_ms", "pool_p50_ms", "zero_p50_ms", "floor_p50_ms", "anon_freed", "fit_ratio"}, false},
		{"selkies16", []string{"--rounds", "1"}, []string{"cold_p50_ms", "cold_first_visit_p50_ms", "left_alone_p50_ms", "warm_direct_p50_ms"}, false},
		{"storm", []string{"--wakes", "2", "--settling", "2s"}, []string{"ours_s", "knative_s", "storm_over_knative"}, true},
	} {
		t.Run(bench.name, func(t *testing.T) {
			t.Parallel()
			if bench.knative && !in.Knative {
				t.Skip("it compares with Knative, which this installation does without")
			}
			_ = story(t)
			smoke.Run(t, in.Root, bench.figures, bench.name, bench.args...)
		})
	}
}
