package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/org/vdi-operator/pkg/metrics"
)

// report prints the table, where our time goes, and the line of JSON.
func report(w io.Writer, results, stages map[string][]time.Duration) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "cold start\tn\tp50 ms\tmin ms\tmax ms\t/ floor\t")
	floor := median(results[nameFloor])
	for _, name := range []string{nameOurs, nameKnative, nameFloor} {
		r := results[name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.2f\t\n", name, len(r), median(r).Milliseconds(),
			slices.Min(r).Milliseconds(), slices.Max(r).Milliseconds(), ratio(median(r), floor))
	}
	_ = table.Flush()
	fmt.Fprintln(w, "\nwhere ours goes, p50 ms after the visitor's request, as the activator saw it:")
	for _, s := range metrics.Stages {
		if seen := stages[string(s)]; len(seen) > 0 {
			fmt.Fprintf(w, "%8d  %s\n", median(seen).Milliseconds(), s)
		}
	}
	line, err := json.Marshal(struct {
		Bench       string  `json:"bench"`
		Ours        int64   `json:"ours_p50_ms"`
		Knative     int64   `json:"knative_p50_ms"`
		Floor       int64   `json:"floor_p50_ms"`
		OverFloor   float64 `json:"ours_over_floor"`
		OverKnative float64 `json:"ours_over_knative"`
	}{"coldstart", median(results[nameOurs]).Milliseconds(), median(results[nameKnative]).Milliseconds(), floor.Milliseconds(),
		ratio(median(results[nameOurs]), floor), ratio(median(results[nameOurs]), median(results[nameKnative]))})
	if err != nil {
		panic(err) // numbers and strings only
	}
	fmt.Fprintf(w, "%s\n", line)
}

func ratio(a, b time.Duration) float64 {
	return math.Round(100*float64(a)/float64(b)) / 100
}

// median of an even number is the mean of the middle two.
func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	if len(s) == 0 {
		return 0
	}
	if mid := len(s) / 2; len(s)%2 == 1 {
		return s[mid]
	} else {
		return (s[mid-1] + s[mid]) / 2
	}
}
