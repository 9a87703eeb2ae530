package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
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
		nameOurs: ms(900, 100, 1100, 1000), nameKnative: ms(1900), nameFloor: ms(1000, 2000, 500),
	}, map[string][]time.Duration{"reached": ms(940)})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last struct {
		Bench       string  `json:"bench"`
		Ours        int     `json:"ours_p50_ms"`
		OverFloor   float64 `json:"ours_over_floor"`
		OverKnative float64 `json:"ours_over_knative"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Bench != "coldstart" || last.Ours != 950 || last.OverFloor != 0.95 || last.OverKnative != 0.5 {
		t.Errorf("got %+v", last)
	}
	if !strings.Contains(out.String(), "940  reached") {
		t.Errorf("the stages are missing:\n%s", out.String())
	}
}
