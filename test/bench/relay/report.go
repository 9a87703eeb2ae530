package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/org/vdi-operator/test/bench/figure"
)

// report prints the table and the line of JSON.
func report(w io.Writer, results map[string][]figures) {
	table := figure.Table(w)
	fmt.Fprintln(table, "medians\tp50 us\tp99 us\tCPU us/msg\tmost msg/s\tstream Mbit/s\tp50 us\tp99 us\tCPU ms/s\tmost Mbit/s\t")
	m := map[string]figures{}
	for _, name := range []string{nameDirect, nameHAProxy, nameNginx, nameSignaling, namePlain} {
		f := medians(results[name])
		m[name] = f
		fmt.Fprintf(table, "%s\t%d\t%d\t%.1f\t%.0f\t", name, f.P50.Microseconds(), f.P99.Microseconds(), us(f.CPU), f.Rate)
		if s := f.stream; s.Most > 0 {
			fmt.Fprintf(table, "%.1f\t%d\t%d\t%.1f\t%.0f\t\n", s.Delivered/1e6, s.P50.Microseconds(), s.P99.Microseconds(), us(s.CPU)/1e3, s.Most/1e6)
		} else {
			fmt.Fprint(table, "\t\t\t\t\t\n")
		}
	}
	_ = table.Flush()
	direct, h, n, signaling, plain := m[nameDirect], m[nameHAProxy], m[nameNginx], m[nameSignaling], m[namePlain]
	figure.Line(w, summary{
		Bench: "relay", P50: signaling.P50.Microseconds(), P99: signaling.P99.Microseconds(),
		P99OverHAProxy: figure.Ratio(signaling.P99, h.P99), P99OverNginx: figure.Ratio(signaling.P99, n.P99), P99Added: (signaling.P99 - direct.P99).Microseconds(),
		RateOverHAProxy: figure.Ratio(signaling.Rate, h.Rate), RateOverNginx: figure.Ratio(signaling.Rate, n.Rate),
		PlainP99: plain.P99.Microseconds(), PlainP99OverHAProxy: figure.Ratio(plain.P99, h.P99), PlainRateOverHAProxy: figure.Ratio(plain.Rate, h.Rate),
		Stream: math.Round(plain.stream.Delivered/1e5) / 10, StreamP99: plain.stream.P99.Microseconds(),
		StreamP99OverHAProxy: figure.Ratio(plain.stream.P99, h.stream.P99), StreamP99OverNginx: figure.Ratio(plain.stream.P99, n.stream.P99),
		StreamCPUOverHAProxy: figure.Ratio(plain.stream.CPU, h.stream.CPU), StreamCPUOverNginx: figure.Ratio(plain.stream.CPU, n.stream.CPU),
		Throughput: math.Round(plain.stream.Most / 1e6), ThroughputOverHAProxy: figure.Ratio(plain.stream.Most, h.stream.Most),
		ThroughputOverNginx: figure.Ratio(plain.stream.Most, n.stream.Most),
	})
}

// summary is the last line: ours is signaling where it says nothing else; throughput
// is that of one stream.
type summary struct {
	Bench                 string  `json:"bench"`
	P50                   int64   `json:"p50_us"`
	P99                   int64   `json:"p99_us"`
	P99OverHAProxy        float64 `json:"p99_over_haproxy"`
	P99OverNginx          float64 `json:"p99_over_nginx"`
	P99Added              int64   `json:"p99_added_us"`
	RateOverHAProxy       float64 `json:"messages_over_haproxy"`
	RateOverNginx         float64 `json:"messages_over_nginx"`
	PlainP99              int64   `json:"plain_p99_us"`
	PlainP99OverHAProxy   float64 `json:"plain_p99_over_haproxy"`
	PlainRateOverHAProxy  float64 `json:"plain_messages_over_haproxy"`
	Stream                float64 `json:"stream_mbit"`
	StreamP99             int64   `json:"stream_p99_us"`
	StreamP99OverHAProxy  float64 `json:"stream_p99_over_haproxy"`
	StreamP99OverNginx    float64 `json:"stream_p99_over_nginx"`
	StreamCPUOverHAProxy  float64 `json:"stream_cpu_over_haproxy"`
	StreamCPUOverNginx    float64 `json:"stream_cpu_over_nginx"`
	Throughput            float64 `json:"throughput_mbit"`
	ThroughputOverHAProxy float64 `json:"throughput_over_haproxy"`
	ThroughputOverNginx   float64 `json:"throughput_over_nginx"`
}

// medians of each figure by itself.
func medians(rounds []figures) figures {
	return figures{
		P50:  median(rounds, func(f figures) time.Duration { return f.P50 }),
		P99:  median(rounds, func(f figures) time.Duration { return f.P99 }),
		Rate: median(rounds, func(f figures) float64 { return f.Rate }),
		CPU:  median(rounds, func(f figures) time.Duration { return f.CPU }),
		stream: streamFigures{
			Delivered: median(rounds, func(f figures) float64 { return f.stream.Delivered }),
			Most:      median(rounds, func(f figures) float64 { return f.stream.Most }),
			P50:       median(rounds, func(f figures) time.Duration { return f.stream.P50 }),
			P99:       median(rounds, func(f figures) time.Duration { return f.stream.P99 }),
			CPU:       median(rounds, func(f figures) time.Duration { return f.stream.CPU }),
		},
	}
}

func median[T cmp.Ordered](rounds []figures, of func(figures) T) (middle T) {
	var values []T
	for _, f := range rounds {
		values = append(values, of(f))
	}
	if slices.Sort(values); len(values) > 0 {
		middle = values[len(values)/2]
	}
	return middle
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
