package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/org/vdi-operator/test/bench/figure"
)

// report prints the table and the line of JSON.
func report(w io.Writer, wakes int, results map[string]time.Duration) {
	table := figure.Table(w)
	fmt.Fprintln(table, "a storm of wakes\tn\tall ask for a pod\t/ knative\t")
	for _, name := range []string{nameOurs, nameKnative} {
		fmt.Fprintf(table, "%s\t%d\t%.2f s\t%.2f\t\n", name, wakes, results[name].Seconds(), figure.Ratio(results[name], results[nameKnative]))
	}
	_ = table.Flush()
	figure.Line(w, struct {
		Bench       string  `json:"bench"`
		Wakes       int     `json:"wakes"`
		Ours        float64 `json:"ours_s"`
		Knative     float64 `json:"knative_s"`
		OverKnative float64 `json:"storm_over_knative"`
	}{"storm", wakes, hundredths(results[nameOurs]), hundredths(results[nameKnative]), figure.Ratio(results[nameOurs], results[nameKnative])})
}

func hundredths(d time.Duration) float64 { return math.Round(100*d.Seconds()) / 100 }
