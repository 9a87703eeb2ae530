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

func calm() result {
	return result{limit: 2 << 30, phases: []phase{
		{name: phaseBefore, took: []time.Duration{time.Millisecond}, peak: 60 << 20},
		{name: phaseDesktop, took: []time.Duration{2 * time.Millisecond}, peak: 900 << 20, attempts: map[string]int64{"mute": 7}},
		{name: phaseClient, took: []time.Duration{4 * time.Millisecond}, peak: 700 << 20, refused: map[string]float64{"held_bytes": 3}},
		{name: phaseAfter, took: []time.Duration{9 * time.Millisecond}, peak: 80 << 20},
	}}
}

func TestTheLastLineIsJSONOfBothAttacks(t *testing.T) {
	var out strings.Builder
	report(&out, calm())
	assert.JSONEq(t, `{"bench":"abuse","rss_peak_mib":900,"rss_limit_mib":2048,"lost":0,"p99_ms_before":1,"p99_ms_during":4}`, figure.Last(out.String()))
	assert.True(t, json.Valid([]byte(figure.Last(out.String()))))
	assert.Contains(t, out.String(), "held_bytes")
	assert.Contains(t, out.String(), "mute")
}

func TestWhatIsLostOrTooMuchOrKeptFails(t *testing.T) {
	require.NoError(t, calm().verdict())
	for want, change := range map[string]func(*result){
		"1 were lost":             func(r *result) { r.lost = 1 },
		"its limit is 800 MiB":    func(r *result) { r.limit = 800 << 20 },
		"the replica keeps: this": func(r *result) { r.kept = []string{"this"} },
	} {
		r := calm()
		change(&r)
		assert.ErrorContains(t, r.verdict(), want)
	}
}

func TestAViewerMissesWhatDoesNotComeOnceAndInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		said  int
		heard []int
		lost  int
	}{
		"all":             {3, []int{0, 1, 2}, 0},
		"one is missing":  {3, []int{0, 2}, 1},
		"the last":        {3, []int{0, 1}, 1},
		"one comes twice": {3, []int{0, 1, 1, 2}, 1},
		"out of order":    {3, []int{0, 2, 1}, 1},
		"never said":      {2, []int{0, 1, 9}, 1},
	} {
		e := echoes{}
		for range c.said {
			e.says(time.Now())
		}
		for _, n := range c.heard {
			e.hears(n, time.Now())
		}
		assert.Equal(t, c.lost, e.lost(), name)
	}
}

func TestTheLimitIsTheChartsDefault(t *testing.T) {
	t.Chdir("../../..")
	limit, err := memoryLimit()
	require.NoError(t, err)
	assert.Greater(t, limit, int64(256<<20))
}
