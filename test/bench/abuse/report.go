package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/test/bench/figure"
)

const (
	phaseBefore  = "before"
	phaseDesktop = "desktop"
	phaseClient  = "client"
	phaseAfter   = "after"
)

// phase is what was seen in one.
type phase struct {
	name string
	// took are the relayed messages' latencies.
	took []time.Duration
	// peak is the most resident memory, resident that at the end; sockets is the most that
	// the kernel kept for the replica's connections, 0 where it does not say.
	peak, resident, sockets int64
	goroutines              int
	// attempts are the attackers' by kind, refused the replica's refusals by reason.
	attempts map[string]int64
	refused  map[string]float64
}

// result is what was seen in all.
type result struct {
	limit    int64
	enforced bool
	phases   []phase
	lost     int
	// why is an example of what was lost, kept what the replica keeps when all have left.
	why  string
	kept []string
}

// summary is the last line.
type summary struct {
	Bench  string  `json:"bench"`
	Peak   int64   `json:"rss_peak_mib"`
	Limit  int64   `json:"rss_limit_mib"`
	Lost   int     `json:"lost"`
	Before float64 `json:"p99_ms_before"`
	During float64 `json:"p99_ms_during"`
}

// peak is the most of all phases.
func (r result) peak() (most int64) {
	for _, p := range r.phases {
		most = max(most, p.peak)
	}
	return most
}

// latencies are those of both attacks, or of the time before.
func (r result) latencies(during bool) (all []time.Duration) {
	for _, p := range r.phases {
		if during && (p.name == phaseDesktop || p.name == phaseClient) || !during && p.name == phaseBefore {
			all = append(all, p.took...)
		}
	}
	slices.Sort(all)
	return all
}

// verdict is what the replica did wrong.
func (r result) verdict() (err error) {
	if r.lost > 0 {
		err = fmt.Errorf("%d were lost to those who behave, such as: %s", r.lost, r.why)
	}
	if peak := r.peak(); peak > r.limit {
		err = errors.Join(err, fmt.Errorf("the replica had %d MiB, and its limit is %d MiB", peak>>20, r.limit>>20))
	}
	if len(r.kept) > 0 {
		err = errors.Join(err, fmt.Errorf("all have left, and %s later the replica keeps: %s", recoverWithin, strings.Join(r.kept, ", ")))
	}
	return err
}

// report prints the tables and the line of JSON.
func report(w io.Writer, r result) {
	table := figure.Table(w)
	fmt.Fprintln(table, "phase\tmessages\tp50 ms\tp99 ms\tmost ms\tRSS peak MiB\tRSS at its end\tsockets MiB\tgoroutines\t")
	for _, p := range r.phases {
		sorted := slices.Sorted(slices.Values(p.took))
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%.1f\t%.1f\t%d\t%d\t%d\t%d\t\n", p.name, len(sorted), milliseconds(sorted, 0.5), milliseconds(sorted, 0.99),
			milliseconds(sorted, 1), p.peak>>20, p.resident>>20, p.sockets>>20, p.goroutines)
	}
	_ = table.Flush()
	enforced := "compared only"
	if r.enforced {
		enforced = "enforced by a control group"
	}
	fmt.Fprintf(w, "memory limit: %d MiB, %s\n", r.limit>>20, enforced)
	for _, p := range r.phases {
		counts(w, p.name+": attempts", p.attempts)
		counts(w, p.name+": refusals", p.refused)
	}
	figure.Line(w, summary{
		Bench: "abuse", Peak: r.peak() >> 20, Limit: r.limit >> 20, Lost: r.lost,
		Before: milliseconds(r.latencies(false), 0.99), During: milliseconds(r.latencies(true), 0.99),
	})
}

func counts[N int64 | float64](w io.Writer, title string, of map[string]N) {
	if len(of) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	table := figure.Table(w)
	for _, name := range slices.Sorted(maps.Keys(of)) {
		fmt.Fprintf(table, "%s\t%d\t\n", name, int64(of[name]))
	}
	_ = table.Flush()
}

// milliseconds is a percentile of sorted values, to one decimal.
func milliseconds(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return figure.Tenths(figure.Milliseconds(sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]))
}
