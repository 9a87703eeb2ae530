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
		nameOurs: ms(900, 100, 1100, 1000), nameOursAPI: ms(1500), nameKnative: ms(1900), nameFloor: ms(1000, 2000, 500),
	}, map[string]stages{nameOurs: {"reached": ms(940), "announced": ms(800)}, nameOursAPI: {"reached": ms(1480)}})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last struct {
		Bench       string  `json:"bench"`
		Ours        int     `json:"ours_p50_ms"`
		OursAPI     int     `json:"ours_api_p50_ms"`
		OverFloor   float64 `json:"ours_over_floor"`
		OverKnative float64 `json:"ours_over_knative"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Bench != "coldstart" || last.Ours != 950 || last.OursAPI != 1500 || last.OverFloor != 0.95 || last.OverKnative != 0.5 {
		t.Errorf("got %+v", last)
	}
	rows := map[string]bool{}
	for _, l := range lines {
		rows[strings.Join(strings.Fields(l), " ")] = true
	}
	if !rows["940 1480 reached"] || !rows["800 - announced"] {
		t.Errorf("the stages are missing:\n%s", out.String())
	}
}
