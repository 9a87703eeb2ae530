package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/bench/figure"
)

const mib = 1 << 20

// cost is a program's resident memory.
type cost struct {
	// resting is that after a quiet time, after that of the end, peak the most.
	resting, after, peak int64
}

// result is what was seen.
type result struct {
	sessions int
	// made is how long it took until all were asleep.
	made                time.Duration
	census              census.Tally
	operator, activator cost
	// writes are the API server's in a quiet minute.
	writes float64
	// wake is how long a visit amid the edit took, edit how long that took itself.
	wake, edit, storm time.Duration
}

// summary is the last line.
type summary struct {
	Bench    string  `json:"bench"`
	Sessions int     `json:"sessions"`
	Objects  float64 `json:"objects_each"`
	Bytes    float64 `json:"bytes_each"`
	Rate     float64 `json:"made_per_second"`
	// The programs' memory is that at rest.
	Operator  float64 `json:"operator_mib"`
	Activator float64 `json:"activator_mib"`
	Writes    float64 `json:"idle_writes_per_min"`
	Wake      float64 `json:"wake_during_edit_ms"`
	Edit      float64 `json:"edit_s"`
	Storm     float64 `json:"storm_200_s"`
}

// report prints the tables and the line of JSON.
func report(w io.Writer, r result) {
	table := figure.Table(w)
	fmt.Fprintln(table, "a session's objects\teach\tbytes\t")
	for _, kind := range r.census.ByBytes() {
		h := r.census[kind]
		fmt.Fprintf(table, "%s\t%.2f\t%.0f\t\n", kind, r.each(float64(h.Objects)), r.each(h.Bytes))
	}
	_ = table.Flush()

	table = figure.Table(w)
	fmt.Fprintln(table, "\nprogram\tMiB at rest\tMiB at the end\tMiB at most\t")
	for _, p := range []struct {
		name string
		cost cost
	}{{"operator", r.operator}, {"activator", r.activator}} {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t\n", p.name, mebibytes(p.cost.resting), mebibytes(p.cost.after), mebibytes(p.cost.peak))
	}
	_ = table.Flush()

	table = figure.Table(w)
	fmt.Fprintln(table, "\nsessions\tmade a second\twrites a minute at rest\tan edit of all\ta wake amid it\ta storm of wakes\t")
	fmt.Fprintf(table, "%d\t%.1f\t%.1f\t%.1f s\t%.0f ms\t%.2f s\t\n", r.sessions, r.rate(), r.writes, r.edit.Seconds(), figure.Milliseconds(r.wake), r.storm.Seconds())
	_ = table.Flush()

	total := r.census.Sum()
	figure.Line(w, summary{
		Bench: "scale", Sessions: r.sessions, Objects: figure.Tenths(r.each(float64(total.Objects))), Bytes: math.Round(r.each(total.Bytes)),
		Rate: figure.Tenths(r.rate()), Operator: figure.Tenths(mebibytes(r.operator.resting)), Activator: figure.Tenths(mebibytes(r.activator.resting)),
		Writes: figure.Tenths(r.writes), Wake: figure.Tenths(figure.Milliseconds(r.wake)), Edit: figure.Tenths(r.edit.Seconds()),
		Storm: math.Round(100*r.storm.Seconds()) / 100,
	})
}

func (r result) each(total float64) float64 { return total / float64(r.sessions) }

// rate is sessions a second.
func (r result) rate() float64 { return float64(r.sessions) / r.made.Seconds() }

func mebibytes(n int64) float64 { return float64(n) / mib }
