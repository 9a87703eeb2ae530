package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	// leaksAfter is for how many rounds a program must have run to be judged: caches fill and
	// connections come in the first.
	leaksAfter = 3
	// goroutinesMore and memoryMore are what it may have more than after the first of these.
	// A round's visitors and sessions are gone by then, so that neither grows with rounds.
	goroutinesMore = 60
	memoryMore     = 96 << 20
)

// cost is what a program has after a round.
type cost struct {
	starts int
	// leads says that it is the operator that leads: that has more to do than one that waits.
	leads              bool
	rounds             int
	goroutines, memory int64
}

// leaks compares what programs have after each round with what they had after their first.
type leaks struct {
	world  *World
	before map[string]cost
}

func newLeaks(w *World) *leaks { return &leaks{world: w, before: map[string]cost{}} }

func (l *leaks) look(ctx context.Context) ([]Violation, error) {
	for _, p := range append(append([]*Program{}, l.world.Operators...), l.world.Activators...) {
		now, err := costOf(ctx, p)
		if err == nil && slices.Contains(l.world.Operators, p) {
			now.leads, err = leads(ctx, p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if what := l.grown(p.Name, now); what != "" {
			return []Violation{{Invariant: NothingLeaks, At: time.Now(), What: what}}, nil
		}
	}
	return nil, nil
}

// grown says by what a program has grown since its first round in its role; empty for as much as it may.
func (l *leaks) grown(name string, now cost) string {
	first, known := l.before[name]
	if !known || first.starts != now.starts || first.leads != now.leads {
		l.before[name] = now
		return ""
	}
	first.rounds++
	l.before[name] = first
	if first.rounds < leaksAfter {
		return ""
	}
	if now.goroutines > first.goroutines+goroutinesMore || now.memory > first.memory+memoryMore {
		return fmt.Sprintf("%s has %d goroutines and %d MiB after %d rounds, and had %d and %d after the first", name,
			now.goroutines, now.memory>>20, first.rounds, first.goroutines, first.memory>>20)
	}
	return ""
}

func costOf(ctx context.Context, p *Program) (c cost, err error) {
	running, starts := p.Running()
	c.starts = starts
	if c.memory, err = running.Resident(); err != nil {
		return c, err
	}
	c.goroutines, err = gauge(ctx, p, "go_goroutines")
	return c, err
}

func leads(ctx context.Context, p *Program) (bool, error) {
	n, err := gauge(ctx, p, `leader_election_master_status{name="vdi-operator"}`)
	return n > 0, err
}

// gauge is a number of a program that may stand still.
func gauge(ctx context.Context, p *Program, series string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	address, _ := p.At()
	fields := strings.Fields(address)
	return replica.Metric(ctx, fields[len(fields)-1], series)
}
