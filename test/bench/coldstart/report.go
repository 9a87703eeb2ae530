package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/test/bench/figure"
)

// report prints the table, where our time goes, and the line of JSON.
func report(w io.Writer, results map[string][]time.Duration, seen map[string]stages) {
	table := figure.Table(w)
	fmt.Fprintln(table, "cold start\tn\tp50 ms\tmin ms\tmax ms\t/ floor\t")
	floor := figure.Median(results[nameFloor])
	for _, name := range []string{nameOurs, nameOursAPI, nameDoze, nameKnative, nameFloor} {
		r := results[name]
		if len(r) == 0 {
			continue // no node can freeze
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.2f\t\n", name, len(r), figure.Median(r).Milliseconds(),
			slices.Min(r).Milliseconds(), slices.Max(r).Milliseconds(), figure.Ratio(figure.Median(r), floor))
	}
	_ = table.Flush()
	fmt.Fprintln(w, "\nwhere ours goes, p50 ms after the visitor's request, as the activator saw it:")
	table = figure.Table(w)
	fmt.Fprintf(table, "%s\t%s\t\t\n", nameOurs, nameOursAPI)
	for _, s := range metrics.Stages {
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", at(seen[nameOurs], s), at(seen[nameOursAPI], s), s)
	}
	_ = table.Flush()
	var doze int64
	if r := results[nameDoze]; len(r) > 0 {
		doze = max(1, figure.Median(r).Milliseconds())
	}
	figure.Line(w, struct {
		Bench       string  `json:"bench"`
		Ours        int64   `json:"ours_p50_ms"`
		OursAPI     int64   `json:"ours_api_p50_ms"`
		Knative     int64   `json:"knative_p50_ms"`
		Floor       int64   `json:"floor_p50_ms"`
		Doze        int64   `json:"doze_p50_ms,omitempty"`
		OverFloor   float64 `json:"ours_over_floor"`
		OverKnative float64 `json:"ours_over_knative"`
	}{"coldstart", figure.Median(results[nameOurs]).Milliseconds(), figure.Median(results[nameOursAPI]).Milliseconds(), figure.Median(results[nameKnative]).Milliseconds(), floor.Milliseconds(), doze,
		figure.Ratio(figure.Median(results[nameOurs]), floor), figure.Ratio(figure.Median(results[nameOurs]), figure.Median(results[nameKnative]))})
}

// at is a stage's median; a stage that was never seen has none.
func at(s stages, stage metrics.Stage) string {
	if len(s[string(stage)]) == 0 {
		return "-"
	}
	return fmt.Sprint(figure.Median(s[string(stage)]).Milliseconds())
}
