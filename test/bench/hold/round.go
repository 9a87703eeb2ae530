package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/org/vdi-operator/test/bench/process"
)

const (
	nameOurs    = "ours"
	nameKnative = "knative"
	nameFloor   = "floor"
)

// contender is one who holds.
type contender interface {
	name() string
	// begin makes a fresh server, ready for n viewers, and says where they go.
	begin(ctx context.Context, n int) (*holder, error)
	// appear makes all backends appear; it returns when the last one's port accepted.
	// Nil backends never appear.
	appear(ctx context.Context) (time.Time, error)
	// rest ends what begin and appear made.
	rest(ctx context.Context) error
	// end takes down what the contender needs for all its rounds.
	end() error
}

// holder is a server that holds connections.
type holder struct {
	process *process.Process
	targets []target
	// awaited is called when all viewers have come.
	awaited func(context.Context) error
}

// row is what one contender did with one number of connections.
type row struct {
	Name string
	Held int
	// PerHeld is resident memory per held connection, in bytes.
	PerHeld float64
	// Resident is the whole process's resident memory while holding, in bytes.
	Resident int64
	// CPU is processor time per 1000 connections and minute.
	CPU time.Duration
	// Replay is from the last backend's appearance until the last viewer was served;
	// zero for the floor.
	Replay time.Duration
	verdict
}

// trial is one contender in the middle of a round.
type trial struct {
	contender
	*holder
	viewers *viewers
	row     row
	before  int64
	cpu     time.Duration
}

// round lets all contenders hold n connections at the same time, and then serve them
// one contender after the other.
func round(ctx context.Context, contenders []contender, n int, o options) (rows []row, err error) {
	var trials []*trial
	defer func() {
		for _, t := range trials {
			err = errors.Join(err, t.finish(context.WithoutCancel(ctx)))
		}
	}()
	for _, c := range contenders {
		t := &trial{contender: c, row: row{Name: c.name(), Held: n}}
		trials = append(trials, t)
		if err := t.hold(ctx, n, o.messages); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	say("%d held by each: settling for %s, then measuring for %s", n, o.settling, o.holding)
	if err := pause(ctx, o.settling); err != nil {
		return nil, err
	}
	for _, t := range trials {
		if t.cpu, err = t.process.CPU(); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name(), err)
		}
	}
	if err := pause(ctx, o.holding); err != nil {
		return nil, err
	}
	for _, t := range trials {
		if err := t.measure(n, o.holding); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name(), err)
		}
	}
	for _, t := range trials {
		if err := t.serve(ctx, n, o.messages); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name(), err)
		}
		rows = append(rows, t.row)
	}
	return rows, nil
}

// hold brings n viewers to a fresh server.
func (t *trial) hold(ctx context.Context, n, messages int) (err error) {
	if t.holder, err = t.begin(ctx, n); err != nil {
		return err
	}
	if t.before, err = t.process.Resident(); err != nil {
		return err
	}
	began := time.Now()
	if t.viewers, err = startViewers(ctx, order{Targets: t.targets, Viewers: n, Messages: messages, PerSecond: arrivals}); err != nil {
		return err
	}
	if err := t.viewers.arrived(ctx); err != nil {
		return err
	}
	say("%s: %d viewers came in %.1f s", t.name(), n, time.Since(began).Seconds())
	if t.awaited == nil {
		return nil
	}
	return t.awaited(ctx)
}

func (t *trial) measure(n int, holding time.Duration) error {
	cpu, err := t.process.CPU()
	if err != nil {
		return err
	}
	if t.row.Resident, err = t.process.Resident(); err != nil {
		return err
	}
	t.row.PerHeld = float64(t.row.Resident-t.before) / float64(n)
	t.row.CPU = time.Duration(float64(cpu-t.cpu) * 1000 / float64(n) * float64(time.Minute) / float64(holding))
	say("%s: %.1f MiB for %d, %.1f KiB each; processor %s per 1000 and minute", t.name(),
		float64(t.row.Resident)/(1<<20), n, t.row.PerHeld/(1<<10), t.row.CPU.Round(time.Microsecond))
	return nil
}

// serve makes the backends appear and waits for the last viewer.
func (t *trial) serve(ctx context.Context, n, messages int) error {
	appeared, err := t.appear(ctx)
	if err != nil {
		return err
	}
	if appeared.IsZero() {
		return nil
	}
	heard, err := t.viewers.served(ctx)
	if err != nil {
		return err
	}
	t.row.verdict = heard.verdict
	if heard.Served > 0 {
		t.row.Replay = time.Unix(0, heard.LastNanos).Sub(appeared)
	}
	say("%s: %d of %d served %.2f s after the last backend appeared; of %d messages %d lost, %d reordered, %d duplicated%s",
		t.name(), heard.Served, n, t.row.Replay.Seconds(), n*messages, heard.Lost, heard.Reordered, heard.Duplicated, heard.why())
	return nil
}

func (t *trial) finish(ctx context.Context) error {
	if t.viewers != nil {
		t.viewers.end()
	}
	return t.rest(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
