package chaos

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Options are of a run.
type Options struct {
	// Seed gives the first round, the next number the next round.
	Seed uint64
	// Time is how long rounds are begun, Round how long a round's steps take.
	Time, Round time.Duration
	// Steps names those of the first round that are taken, which is the only one then; empty
	// is all of every round.
	Steps string
	// Shrinking is how long a shorter list is looked for at most after a failure.
	Shrinking time.Duration
	Out       io.Writer
}

// Figures are of a run.
type Figures struct {
	Rounds, Steps, Missed, Lives int
	Took                         time.Duration
}

func (f Figures) String() string {
	return fmt.Sprintf("%d rounds in %s: %d steps (%.0f a minute, %d of them found nobody), %d lives of desktops",
		f.Rounds, f.Took.Round(time.Second), f.Steps, float64(f.Steps)/f.Took.Minutes(), f.Missed, f.Lives)
}

// run is a run under way.
type run struct {
	Options
	world   *World
	figures Figures
	leaks   *leaks
	// attempts is how many rounds were begun, of the shrinking too: each has namespaces of its
	// own.
	attempts int
	// taken is how many steps the last round took, before it was seen to fail.
	taken int
	// story is that of the last failure.
	story string
}

// Run runs rounds. It returns the first failure, with all that is known of how to repeat it.
func Run(ctx context.Context, w *World, o Options) (figures Figures, err error) {
	r := &run{Options: o, world: w, leaks: newLeaks(w)}
	began := time.Now()
	defer func() {
		figures = r.figures
		figures.Took = time.Since(began)
	}()
	for seed := o.Seed; ; seed++ {
		steps, err := chosen(generate(seed, o.Round), o.Steps)
		if err != nil {
			return r.figures, err
		}
		r.say("round %d, seed %d: %d steps of %s", r.figures.Rounds, seed, len(steps), strings.Join(families(steps), ", "))
		broken, err := r.round(ctx, steps)
		if err != nil {
			return r.figures, fmt.Errorf("seed %d: %w", seed, err)
		}
		if r.figures.Rounds++; len(broken) == 0 {
			broken, err = r.leaks.look(ctx)
		}
		switch {
		case err != nil:
			return r.figures, err
		case len(broken) > 0:
			return r.figures, r.explain(ctx, seed, steps[:r.taken], broken)
		case o.Steps != "" || time.Since(began) > o.Time:
			return r.figures, nil
		}
	}
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Out, "chaos: "+format+"\n", args...) }

// round takes steps in new namespaces, and wants rest after them.
func (r *run) round(ctx context.Context, steps []Step) ([]Violation, error) {
	r.attempts++
	playing, end := context.WithCancel(ctx)
	p, wait, err := newPlayer(playing, r.world, fmt.Sprintf("c%d-", r.attempts))
	if err != nil {
		end()
		return nil, err
	}
	defer func() { end(); p.guests.leaveAll(); wait() }()
	if err := p.insist(ctx, "the stage", p.stage); err != nil {
		return nil, err
	}
	err = p.play(playing, steps)
	r.taken = p.taken
	r.figures.Steps, r.figures.Missed = r.figures.Steps+p.taken, r.figures.Missed+p.missed
	if err != nil {
		return nil, err
	}
	broken, _ := p.ledger.Broken(time.Now())
	if len(broken) == 0 {
		one, err := p.rest(playing)
		if err != nil {
			return nil, err
		}
		if broken, _ = p.ledger.Broken(time.Now()); one != nil {
			broken = append(broken, *one)
		}
	}
	r.figures.Lives += p.ledger.Lives()
	r.say("%d steps taken, %d found nobody, %d lives", p.taken, p.missed, p.ledger.Lives())
	if len(broken) > 0 {
		r.say("broken: %s", broken[0])
		r.story = p.ledger.Story(broken[0].Session)
		// The next attempt needs a world without this one.
		return broken, r.afterwards(ctx, p)
	}
	return nil, nil
}

func (r *run) afterwards(ctx context.Context, p *player) error {
	if err := p.heal(ctx); err != nil {
		return err
	}
	if err := p.clear(ctx); err != nil {
		r.say("after the failure: %v", err)
	}
	return nil
}

// explain looks for the shortest list of steps that breaks the same promise.
func (r *run) explain(ctx context.Context, seed uint64, steps []Step, broken []Violation) error {
	r.say("what was seen last of that session:\n%s", r.story)
	until, tries := time.Now().Add(r.Shrinking), 0
	fails := func(some []Step) bool {
		tries++
		again, err := r.round(ctx, some)
		is := err == nil && len(again) > 0 && again[0].Invariant == broken[0].Invariant
		r.say("with %d steps: broken again %t", len(some), is)
		return is
	}
	short := shrink(steps, fails, func() bool { return ctx.Err() == nil && time.Now().Before(until) })
	sure := 0
	for range confirmations {
		if len(short) < len(steps) && ctx.Err() == nil && fails(short) {
			sure++
		}
	}
	var list strings.Builder
	for _, s := range short {
		fmt.Fprintln(&list, s)
	}
	return fmt.Errorf("%s\n%d of %d steps of seed %d, found with %d repetitions; of %d more, which find the same or not as processes happen to run, %d did:\n%s"+
		"repeat it by: make chaos CHAOS_SEED=%d CHAOS_ROUND=%s CHAOS_STEPS=%s\nthe programs' logs are in %s",
		broken[0], len(short), len(steps), seed, tries, confirmations, sure, list.String(), seed, r.Round, listed(short), r.world.Logs)
}

// confirmations is how often the shortest list is tried again in the end.
const confirmations = 2
