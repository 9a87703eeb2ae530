package main

import (
	"fmt"
	"io"
	"time"

	"github.com/org/vdi-operator/test/bench/figure"
)

// report prints the tables and the line of JSON.
func (b *bench) report(w io.Writer) {
	table := figure.Table(w)
	fmt.Fprintln(table, "visit to first byte\tn\tp50 ms\tp95 ms\tp99 ms\tto first frame\tn\tp50 ms\tp95 ms\tp99 ms\t")
	for _, kind := range []string{nameDoze, namePaged, namePool, nameZero, nameFloor} {
		v := b.of(kind)
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t\t%d\t%s\t%s\t%s\t\n", kind, len(v.bytes), ms(v.bytes, .5), ms(v.bytes, .95), ms(v.bytes, .99),
			len(v.frames), ms(v.frames, .5), ms(v.frames, .95), ms(v.frames, .99))
	}
	_ = table.Flush()
	fmt.Fprintf(w, "\n%d desktops together:\n", b.desktops)
	c := b.cost
	fmt.Fprintln(table, "\tawake\tdozing\t")
	fmt.Fprintf(table, "anonymous memory, MiB\t%d\t%d\t\n", c.awake.Anonymous>>20, c.dozing.Anonymous>>20)
	fmt.Fprintf(table, "all memory (PSS), MiB\t%d\t%d\t\n", c.awake.Proportional>>20, c.dozing.Proportional>>20)
	fmt.Fprintf(table, "swap in memory, compressed, MiB\t\t%d\t\n", c.swapped>>20)
	fmt.Fprintf(table, "processor a minute, ms\t%d\t%d\t\n", c.awakeCPU.Milliseconds(), c.dozingCPU.Milliseconds())
	_ = table.Flush()
	figure.Line(w, struct {
		Bench      string  `json:"bench"`
		Doze       float64 `json:"doze_p95_ms"`
		Paged      float64 `json:"paged_p95_ms"`
		Pool       float64 `json:"pool_p50_ms"`
		PoolLate   float64 `json:"pool_p99_ms"`
		Zero       float64 `json:"zero_p50_ms"`
		Floor      float64 `json:"floor_p50_ms"`
		DozeFrame  float64 `json:"doze_frame_p50_ms"`
		PagedFrame float64 `json:"paged_frame_p50_ms"`
		PoolFrame  float64 `json:"pool_frame_p50_ms"`
		ZeroFrame  float64 `json:"zero_frame_p50_ms"`
		FloorFrame float64 `json:"floor_frame_p50_ms"`
		Freed      float64 `json:"anon_freed"`
		Fit        float64 `json:"fit_ratio"`
		CPU        float64 `json:"dozing_cpu_ms_per_min"`
	}{"instant", millis(b.of(nameDoze).bytes, .95), millis(b.of(namePaged).bytes, .95),
		millis(b.of(namePool).bytes, .5), millis(b.of(namePool).bytes, .99), millis(b.of(nameZero).bytes, .5), millis(b.of(nameFloor).bytes, .5),
		millis(b.of(nameDoze).frames, .5), millis(b.of(namePaged).frames, .5), millis(b.of(namePool).frames, .5), millis(b.of(nameZero).frames, .5), millis(b.of(nameFloor).frames, .5),
		share(c.awake.Anonymous-c.dozing.Anonymous, c.awake.Anonymous), share(c.awake.Proportional, c.dozing.Proportional+c.swapped),
		figure.Tenths(figure.Milliseconds(c.dozingCPU))})
}

// ms is a percentile for the table.
func ms(d []time.Duration, p float64) string { return fmt.Sprintf("%.1f", millis(d, p)) }

func millis(d []time.Duration, p float64) float64 {
	return figure.Tenths(figure.Milliseconds(figure.Percentile(d, p)))
}

// share is a over b.
func share(a, b int64) float64 { return figure.Ratio(float64(a), float64(b)) }
