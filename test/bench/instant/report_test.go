package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
	"github.com/org/vdi-operator/test/bench/process"
)

func TestTheLastLineIsJSONWithPercentilesAndShares(t *testing.T) {
	times := func(ms ...int) (all []time.Duration) {
		for _, n := range ms {
			all = append(all, time.Duration(n)*time.Millisecond)
		}
		return all
	}
	b := &bench{desktops: 2, results: map[string]*visits{
		nameDoze: {bytes: times(3, 40, 1), frames: times(300)}, namePaged: {bytes: times(90)}, namePool: {bytes: times(20, 30)},
		nameZero: {bytes: times(900, 1100, 1000)}, nameFloor: {bytes: times(1300)},
	}, cost: cost{awake: process.Memory{Anonymous: 50 << 20, Proportional: 100 << 20}, dozing: process.Memory{Anonymous: 5 << 20, Proportional: 30 << 20},
		swapped: 10 << 20}}
	var out strings.Builder
	b.report(&out)
	var last map[string]any
	require.NoError(t, figure.Read(out.String(), &last))
	for name, want := range map[string]any{"bench": "instant", "doze_p95_ms": 40., "paged_p95_ms": 90., "pool_p50_ms": 30., "pool_p99_ms": 30., "zero_p50_ms": 1000., "floor_p50_ms": 1300.,
		"doze_frame_p50_ms": 300., "anon_freed": .9, "fit_ratio": 2.5} {
		assert.Equal(t, want, last[name], name)
	}
	assert.Contains(t, out.String(), "anonymous memory, MiB", "the table is missing")
}
