package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
)

func TestTheLastLineIsJSONWithRatiosOfMedians(t *testing.T) {
	ms := func(values ...int) (out []time.Duration) {
		for _, v := range values {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	var out strings.Builder
	report(&out, map[string][]time.Duration{
		nameOurs: ms(900, 100, 1100, 1000), nameOursAPI: ms(1500), nameDoze: ms(30, 10, 20), nameKnative: ms(1900), nameFloor: ms(1000, 2000, 500),
	}, map[string]stages{nameOurs: {"reached": ms(940), "announced": ms(800)}, nameOursAPI: {"reached": ms(1480)}})
	var last struct {
		Bench       string  `json:"bench"`
		Ours        int     `json:"ours_p50_ms"`
		OursAPI     int     `json:"ours_api_p50_ms"`
		Doze        int     `json:"doze_p50_ms"`
		OverFloor   float64 `json:"ours_over_floor"`
		OverKnative float64 `json:"ours_over_knative"`
	}
	require.NoError(t, figure.Read(out.String(), &last))
	if last.Bench != "coldstart" || last.Ours != 950 || last.OursAPI != 1500 || last.Doze != 20 || last.OverFloor != 0.95 || last.OverKnative != 0.5 {
		t.Errorf("got %+v", last)
	}
	rows := map[string]bool{}
	for _, l := range strings.Split(out.String(), "\n") {
		rows[strings.Join(strings.Fields(l), " ")] = true
	}
	require.True(t, rows["940 1480 reached"])
	assert.True(t, rows["800 - announced"], "the stages are missing:\n%s", out.String())
}
