package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/harness"
)

// cost is what n workloads did to one of the product's programs.
type cost struct {
	// before and after are the resident memory.
	before, after int64
	// idle is the processor time of a quiet minute before the first, making that until
	// all were at zero, resting that of a quiet minute with all of them asleep.
	idle, making, resting time.Duration
}

// programs are one replica of each of the product's two, with what it had used before.
// Each replica keeps all sessions.
type programs struct {
	process map[string]*process.Process
	memory  map[string]int64
	// idle is a quiet minute's processor time, cpu all of it until now.
	idle, cpu map[string]time.Duration
	quiet     quiet
}

// quiet is a time in which nobody wants anything: settling lets what came before be over
// and collected.
type quiet struct{ settling, measured time.Duration }

func watch(ctx context.Context, in *harness.Installation, q quiet) (*programs, error) {
	p := &programs{quiet: q, process: map[string]*process.Process{}, memory: map[string]int64{}}
	for _, name := range []string{harness.Operator, harness.Activator} {
		// A fresh process: one that has worked before keeps memory that it does not need.
		if err := in.Restart(ctx, name); err != nil {
			return nil, err
		}
		pods, err := in.Programs(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(pods) == 0 || len(pods[0].Status.ContainerStatuses) != 1 {
			return nil, fmt.Errorf("%d pods of the %s are ready, want one or more, with 1 container each", len(pods), name)
		}
		_, id, _ := strings.Cut(pods[0].Status.ContainerStatuses[0].ContainerID, "://")
		if p.process[name], err = process.InContainer(id); err != nil {
			return nil, err
		}
	}
	var err error
	if p.idle, err = p.quietMinute(ctx); err != nil {
		return nil, err
	}
	for name, running := range p.process {
		if p.memory[name], err = running.Resident(); err != nil {
			return nil, err
		}
	}
	p.cpu, err = p.used()
	return p, err
}

// cost reads what the programs have used since, and use in a quiet minute.
func (p *programs) cost(ctx context.Context) (map[string]cost, error) {
	made, err := p.used()
	if err != nil {
		return nil, err
	}
	resting, err := p.quietMinute(ctx)
	if err != nil {
		return nil, err
	}
	costs := map[string]cost{}
	for name, running := range p.process {
		c := cost{before: p.memory[name], idle: p.idle[name], making: made[name] - p.cpu[name], resting: resting[name]}
		if c.after, err = running.Resident(); err != nil {
			return nil, err
		}
		costs[name] = c
	}
	return costs, nil
}

// quietMinute is the processor time of a quiet minute, from what was measured.
func (p *programs) quietMinute(ctx context.Context) (map[string]time.Duration, error) {
	if err := pause(ctx, p.quiet.settling); err != nil {
		return nil, err
	}
	before, err := p.used()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, p.quiet.measured); err != nil {
		return nil, err
	}
	after, err := p.used()
	if err != nil {
		return nil, err
	}
	for name := range after {
		after[name] = time.Duration(float64(after[name]-before[name]) * float64(time.Minute) / float64(p.quiet.measured))
	}
	return after, nil
}

// used is the programs' processor time since their start.
func (p *programs) used() (map[string]time.Duration, error) {
	all := map[string]time.Duration{}
	for name, running := range p.process {
		var err error
		if all[name], err = running.CPU(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
