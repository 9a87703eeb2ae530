package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
)

func TestAMessageHasTheSizeThatIsReported(t *testing.T) {
	require.Len(t, message, 64)
	assert.True(t, json.Valid(message), "bytes")
}

func TestTheLastLineIsJSONWithRatiosOfMedians(t *testing.T) {
	of := func(p99 ...int) (out []figures) {
		for _, us := range p99 {
			d := time.Duration(us) * time.Microsecond
			out = append(out, figures{P50: d / 2, P99: d, Rate: 1e6 / float64(us), stream: streamFigures{Most: 1e9 / float64(us), Delivered: 5e7, P99: d, CPU: d}})
		}
		return out
	}
	var out strings.Builder
	report(&out, map[string][]figures{nameDirect: of(100), nameHAProxy: of(900, 200, 100), nameNginx: of(400), nameSignaling: of(250, 150, 9000), namePlain: of(100)})
	var last map[string]any
	require.NoError(t, figure.Read(out.String(), &last))
	for field, want := range map[string]any{"bench": "relay", "p50_us": 125.0, "p99_us": 250.0, "p99_over_haproxy": 1.25, "p99_over_nginx": 0.63,
		"p99_added_us": 150.0, "throughput_over_haproxy": 2.0, "stream_cpu_over_haproxy": 0.5, "stream_mbit": 50.0} {
		assert.False(t, last[field] != want, "%s = %v, want %v", field, last[field], want)
	}
}
