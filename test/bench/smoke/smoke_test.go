//go:build integration

package smoke

import "testing"

const repository = "../../.."

func TestHoldRunsWithoutACluster(t *testing.T) {
	line := Run(t, repository, []string{"bytes_per_held", "floor_bytes_per_held", "replay_last_ms"},
		"hold", "--knative=false", "--held", "50", "--settling", "1s", "--holding", "2s")
	if line["served"] != 50. || line["lost"] != 0. || line["duplicated"] != 0. {
		t.Errorf("of 50 viewers %v were served, %v messages lost, %v duplicated", line["served"], line["lost"], line["duplicated"])
	}
}

func TestRelayRuns(t *testing.T) {
	Run(t, repository, []string{"p99_us", "p99_over_haproxy", "p99_over_nginx", "plain_p99_us", "stream_mbit", "throughput_mbit"}, "relay", "--rounds", "1")
}

func TestAbuseLosesNothing(t *testing.T) {
	line := Run(t, repository, []string{"rss_peak_mib", "rss_limit_mib", "p99_ms_before", "p99_ms_during"},
		"abuse", "--before", "2s", "--each", "3s", "--viewers", "20", "--held", "20")
	if line["lost"] != 0. {
		t.Errorf("%v were lost", line["lost"])
	}
}

func TestScaleWakesAmidAnEdit(t *testing.T) {
	line := Run(t, repository, []string{"objects_each", "bytes_each", "made_per_second", "operator_mib", "activator_mib", "wake_during_edit_ms", "edit_s", "storm_200_s"},
		"scale", "--sessions", "40", "--storm", "10", "--settling", "8s", "--quiet", "2s") // templates count for five seconds
	if line["idle_writes_per_min"] != 0. {
		t.Errorf("%v writes a minute while nobody does anything", line["idle_writes_per_min"])
	}
}
