package main

import (
	"context"
	"time"

	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

// asleepMetric is the operator's own count.
const asleepMetric = `vdi_sessions{phase="Asleep"}`

// asleep is how many sessions sleep.
func (s *scene) asleep(ctx context.Context) (int, error) {
	asleep, err := replica.Metric(ctx, s.operator.Metrics, asleepMetric)
	return int(asleep), err
}

// rest looks at sessions and programs while nobody does anything.
func (s *scene) rest(ctx context.Context, r *result) error {
	count, err := census.New(s.world.Config())
	if err != nil {
		return err
	}
	if r.census, err = count.Namespace(ctx, replica.Namespace); err != nil {
		return err
	}
	say("at rest for %s", s.settling+s.quiet)
	if err := pause(ctx, s.settling); err != nil {
		return err
	}
	before, err := count.Writes(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, s.quiet); err != nil {
		return err
	}
	after, err := count.Writes(ctx)
	if err != nil {
		return err
	}
	for what, times := range after {
		if times > before[what] {
			say("at rest there were %.0f of %s", times-before[what], what)
			r.writes += (times - before[what]) * float64(time.Minute) / float64(s.quiet)
		}
	}
	return s.memory(r, func(c *cost, resident int64) { c.resting = resident })
}

// memory reads what the programs have now and had at most.
func (s *scene) memory(r *result, keep func(c *cost, resident int64)) error {
	for c, running := range map[*cost]*process.Process{&r.operator: s.operator.Process, &r.activator: s.activator.Process} {
		resident, err := running.Resident()
		if err != nil {
			return err
		}
		keep(c, resident)
		if c.peak, err = running.Peak(); err != nil {
			return err
		}
	}
	return nil
}
