package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// GPUDesktop is a session as far as its GPUs are concerned; a zero time is never.
type GPUDesktop struct {
	// Resource is what the GPUs are counted in, such as nvidia.com/gpu, GPUs their number.
	Resource string
	GPUs     float64
	// Created is since when the session exists.
	Created time.Time
	// AwakeSince is when the present awake period began; zero while asleep.
	AwakeSince time.Time
	// AsleepSince is when it was last put to sleep, Woken when it was last asked for.
	AsleepSince, Woken time.Time
}

// within splits from..to into the time that the desktop was awake and that it slept.
// Of several naps within it, the last alone is known.
func (d GPUDesktop) within(from, to time.Time) (awake, asleep time.Duration) {
	if d.Created.After(from) {
		from = d.Created
	}
	if !from.Before(to) {
		return 0, 0
	}
	all := to.Sub(from)
	if d.AwakeSince.IsZero() {
		// What it was awake for since from, before the last sleep.
		began := from
		if d.Woken.After(from) && d.Woken.Before(d.AsleepSince) {
			began = d.Woken
		}
		awake = between(began, d.AsleepSince, all)
	} else {
		awake = between(slices.MaxFunc([]time.Time{from, d.AwakeSince}, time.Time.Compare), to, all)
		if d.AsleepSince.Before(d.AwakeSince) {
			awake += between(from, d.AsleepSince, all-awake)
		}
	}
	return awake, all - awake
}

// between is the time from a to b, and within 0 and most.
func between(a, b time.Time, most time.Duration) time.Duration {
	return max(0, min(b.Sub(a), most))
}

// gpuSeconds integrates GPU time at each scrape, from what the sessions' status says of
// when they woke and slept. So nothing runs per session, and how often it is scraped
// changes nothing but how late a counter moves.
type gpuSeconds struct {
	now func() time.Time
	// until is up to when it was integrated; zero while another replica counts.
	until        time.Time
	awake, slept map[string]float64
}

// NewGPUSeconds counts the GPU seconds of sessions, used and saved, from the first
// scrape on at which counts is true; a replica that does not lead must not count what
// the leader counts. list returns the sessions with GPUs; resources are those that have series from the start.
func NewGPUSeconds(list func(context.Context) ([]GPUDesktop, error), counts func() bool, now func() time.Time,
	resources ...string) prometheus.Collector {
	used := prometheus.NewDesc("vdi_gpu_seconds_used_total",
		"GPUs times the seconds for which sessions were awake, from each wake to the next sleep.", []string{"resource"}, nil)
	saved := prometheus.NewDesc("vdi_gpu_seconds_saved_total",
		"GPUs times the seconds for which sessions slept: what the same sessions, always on, would have held besides.", []string{"resource"}, nil)
	g := &gpuSeconds{now: now, awake: map[string]float64{}, slept: map[string]float64{}}
	for _, r := range resources {
		g.awake[r], g.slept[r] = 0, 0
	}
	return &atScrape{counts: counts, descs: []*prometheus.Desc{used, saved},
		read: func(ctx context.Context, ch chan<- prometheus.Metric) error {
			desktops, err := list(ctx)
			if err != nil {
				return err
			}
			g.integrate(desktops)
			for resource, seconds := range g.awake {
				ch <- prometheus.MustNewConstMetric(used, prometheus.CounterValue, seconds, resource)
				ch <- prometheus.MustNewConstMetric(saved, prometheus.CounterValue, g.slept[resource], resource)
			}
			return nil
		}}
}

// integrate adds what has passed since the last scrape.
func (g *gpuSeconds) integrate(desktops []GPUDesktop) {
	from, to := g.until, g.now()
	if to.Before(from) {
		return // the clock was set back; what was counted stays
	}
	g.until = to
	if from.IsZero() {
		from = to // time before this process counted was another's to count
	}
	for _, d := range desktops {
		awake, asleep := d.within(from, to)
		g.awake[d.Resource] += d.GPUs * awake.Seconds()
		g.slept[d.Resource] += d.GPUs * asleep.Seconds()
	}
}
