package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/org/vdi-operator/test/bench/figure"
	"github.com/org/vdi-operator/test/bench/look"
)

// The kinds of visits.
const (
	nameFirst = "first"
	nameCold  = "cold"
	nameLeft  = "left"
	nameWarm  = "warm"
)

// report prints the table, what comes before the frame, and the line of JSON.
func report(w io.Writer, results map[string][]look.Timeline, each desktop, busy bool) {
	machine := "quiet"
	if busy {
		machine = "busy"
	}
	before := "nothing"
	if each.nginx {
		before = "nginx"
	}
	fmt.Fprintf(w, "a desktop listens %s after its start, with %s before it, asks for viewers %s later, and its loop sleeps for %s at a time; the machine is %s\n\n",
		each.startDelay, before, each.firstAsk, blockLoop, machine)
	table := figure.Table(w)
	fmt.Fprintln(table, "visit to first video frame\tn\tp50 ms\tmin ms\tmax ms\t/ warm\t")
	warm := figure.Median(of(results[nameWarm], look.Frame))
	for _, kind := range []struct{ name, title string }{
		{nameFirst, "cold, first visit of the session"}, {nameCold, "cold, second visit"}, {nameLeft, "awake, left alone"}, {nameWarm, "warm, straight to the pod"},
	} {
		r := of(results[kind.name], look.Frame)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.2f\t\n", kind.title, len(r), figure.Median(r).Milliseconds(),
			slices.Min(r).Milliseconds(), slices.Max(r).Milliseconds(), figure.Ratio(figure.Median(r), warm))
	}
	_ = table.Flush()
	fmt.Fprint(w, "\np50 ms after the visit, as the desktop's page saw it:\n\n")
	fmt.Fprintln(table, "mark\tfirst\tcold\tleft\twarm\t")
	for _, mark := range look.Marks {
		fmt.Fprint(table, mark)
		for _, kind := range []string{nameFirst, nameCold, nameLeft, nameWarm} {
			fmt.Fprintf(table, "\t%d", figure.Median(of(results[kind], mark)).Milliseconds())
		}
		fmt.Fprintln(table, "\t")
	}
	_ = table.Flush()
	cold := figure.Median(of(results[nameCold], look.Frame))
	figure.Line(w, struct {
		Bench     string  `json:"bench"`
		Cold      int64   `json:"cold_p50_ms"`
		First     int64   `json:"cold_first_visit_p50_ms"`
		Left      int64   `json:"left_alone_p50_ms"`
		Warm      int64   `json:"warm_direct_p50_ms"`
		OverWarm  float64 `json:"cold_over_warm"`
		ColdOffer int64   `json:"offer_cold_p50_ms"`
		WarmOffer int64   `json:"offer_warm_direct_p50_ms"`
		Start     int64   `json:"start_delay_ms"`
		Busy      bool    `json:"busy"`
		Nginx     bool    `json:"nginx"`
	}{"selkies16", cold.Milliseconds(), figure.Median(of(results[nameFirst], look.Frame)).Milliseconds(), figure.Median(of(results[nameLeft], look.Frame)).Milliseconds(),
		warm.Milliseconds(), figure.Ratio(cold, warm),
		figure.Median(of(results[nameCold], look.Offer)).Milliseconds(), figure.Median(of(results[nameWarm], look.Offer)).Milliseconds(), each.startDelay.Milliseconds(), busy, each.nginx})
}

// of are the times of one mark.
func of(visits []look.Timeline, mark string) (times []time.Duration) {
	for _, visit := range visits {
		if at, is := visit[mark]; is {
			times = append(times, at)
		}
	}
	return times
}
