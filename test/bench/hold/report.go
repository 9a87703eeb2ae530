package main

import (
	"fmt"
	"io"
	"math"

	"github.com/org/vdi-operator/test/bench/figure"
)

// report prints the table and the line of JSON about the largest number held.
func report(w io.Writer, rows []row) {
	table := figure.Table(w)
	fmt.Fprintln(table, "held\tby\tKiB each\tprocess MiB\tCPU ms per 1000 and min\tserved\tlast after ms\tlost\treordered\tduplicated\t")
	most := map[string]row{}
	for _, r := range rows {
		if r.Name == nameFloor {
			fmt.Fprintf(table, "%d\t%s\t%.1f\t%.0f\t%.1f\t\t\t\t\t\t\n", r.Held, r.Name, r.PerHeld/(1<<10), mib(r.Resident), figure.Milliseconds(r.CPU))
		} else {
			fmt.Fprintf(table, "%d\t%s\t%.1f\t%.0f\t%.1f\t%d\t%.0f\t%d\t%d\t%d\t\n", r.Held, r.Name, r.PerHeld/(1<<10), mib(r.Resident), figure.Milliseconds(r.CPU),
				r.Served, figure.Milliseconds(r.Replay), r.Lost, r.Reordered, r.Duplicated)
		}
		if r.Held >= most[r.Name].Held {
			most[r.Name] = r
		}
	}
	_ = table.Flush()
	for _, r := range rows {
		if r.Name == nameKnative && r.Resident > shippedMemory {
			fmt.Fprintf(w, "\nKnative's activator is published with a memory limit of %d MiB, which this run took off: with it, the kernel had ended it at %d held.\n",
				shippedMemory>>20, r.Held)
		}
	}
	us, least, k := most[nameOurs], most[nameFloor], most[nameKnative]
	line := summary{Bench: "hold", Held: us.Held, Bytes: math.Round(us.PerHeld), FloorBytes: math.Round(least.PerHeld), OverFloor: figure.Ratio(us.PerHeld, least.PerHeld),
		CPU: figure.Tenths(figure.Milliseconds(us.CPU)), FloorCPU: figure.Tenths(figure.Milliseconds(least.CPU)), Served: us.Served, Replay: math.Round(figure.Milliseconds(us.Replay)),
		Lost: us.Lost, Reordered: us.Reordered, Duplicated: us.Duplicated}
	if k.Held > 0 {
		line.knativeSummary = &knativeSummary{Bytes: math.Round(k.PerHeld), Over: figure.Ratio(us.PerHeld, k.PerHeld), CPU: figure.Tenths(figure.Milliseconds(k.CPU)),
			Served: k.Served, Replay: math.Round(figure.Milliseconds(k.Replay)), Lost: k.Lost}
	}
	figure.Line(w, line)
}

// summary is the last line.
type summary struct {
	Bench      string  `json:"bench"`
	Held       int     `json:"held"`
	Bytes      float64 `json:"bytes_per_held"`
	FloorBytes float64 `json:"floor_bytes_per_held"`
	OverFloor  float64 `json:"over_floor"`
	CPU        float64 `json:"cpu_ms_per_1000_min"`
	FloorCPU   float64 `json:"floor_cpu_ms_per_1000_min"`
	Served     int     `json:"served"`
	Replay     float64 `json:"replay_last_ms"`
	Lost       int     `json:"lost"`
	Reordered  int     `json:"reordered"`
	Duplicated int     `json:"duplicated"`
	*knativeSummary
}

type knativeSummary struct {
	Bytes  float64 `json:"knative_bytes_per_held"`
	Over   float64 `json:"over_knative"`
	CPU    float64 `json:"knative_cpu_ms_per_1000_min"`
	Served int     `json:"knative_served"`
	Replay float64 `json:"knative_replay_last_ms"`
	Lost   int     `json:"knative_lost"`
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
