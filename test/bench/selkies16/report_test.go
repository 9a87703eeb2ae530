package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
	"github.com/org/vdi-operator/test/bench/look"
)

func TestTheLastLineIsJSONWithRatiosOfMedians(t *testing.T) {
	visits := func(frames ...int) (out []look.Timeline) {
		for _, ms := range frames {
			frame := time.Duration(ms) * time.Millisecond
			out = append(out, look.Timeline{look.Offer: frame / 2, look.Frame: frame})
		}
		return out
	}
	var out strings.Builder
	report(&out, map[string][]look.Timeline{nameFirst: visits(4000), nameCold: visits(2000, 3000, 1000), nameLeft: visits(3000),
		nameWarm: visits(20000, 30000)}, desktop{startDelay: time.Second, nginx: true}, true)
	var last struct {
		Bench     string  `json:"bench"`
		Cold      int     `json:"cold_p50_ms"`
		First     int     `json:"cold_first_visit_p50_ms"`
		Left      int     `json:"left_alone_p50_ms"`
		Warm      int     `json:"warm_direct_p50_ms"`
		OverWarm  float64 `json:"cold_over_warm"`
		ColdOffer int     `json:"offer_cold_p50_ms"`
	}
	require.NoError(t, figure.Read(out.String(), &last))
	if last.Bench != "selkies16" || last.Cold != 2000 || last.First != 4000 || last.Left != 3000 || last.Warm != 25000 || last.OverWarm != 0.08 || last.ColdOffer != 1000 {
		t.Errorf("got %+v", last)
	}
	assert.Contains(t, out.String(), "cold, second visit", "the table is missing")
}
