package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Step is one thing that happens. All that it does follows from its fields, and from how the
// world stands then.
type Step struct {
	// N is its place in the round.
	N int
	// At is when it happens at the earliest, from the round's begin.
	At   time.Duration
	Kind string
	// Session is whose, Choice which of what the kind offers.
	Session int
	Choice  uint32
}

func (s Step) String() string {
	return fmt.Sprintf("%4d  %6.2fs  %-18s %s  %s", s.N, s.At.Seconds(), s.Kind, casts[s.Session].name(), kinds[s.Kind].detail(s))
}

// kind is what can happen.
type kind struct {
	// family is what a round does or does without as a whole.
	family string
	// weight is how often, beside the others.
	weight int
	// most is how often a round has it at most; 0 is no limit.
	most int
	do   func(*player, context.Context, Step) error
	// lasting says that what it does goes on after the step.
	lasting bool
	// says is what a choice comes to; nil where there is none.
	says func(Step) string
}

func (k kind) detail(s Step) string {
	if k.says == nil {
		return ""
	}
	return k.says(s)
}

// one of these is what a step chose.
func one[T any](s Step, of ...T) T { return of[int(s.Choice)%len(of)] }

// between is a duration that a step chose.
func between(s Step, least, most time.Duration) time.Duration {
	return least + time.Duration(s.Choice)%(most-least)
}

// chosen are those steps of a round that a list such as 3,17,29 names; all where it is empty.
func chosen(steps []Step, list string) ([]Step, error) {
	if list == "" {
		return steps, nil
	}
	var some []Step
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 0 || n >= len(steps) {
			return nil, fmt.Errorf("CHAOS_STEPS: %q is no step of this round: give numbers from 0 to %d, with commas between", field, len(steps)-1)
		}
		some = append(some, steps[n])
	}
	return some, nil
}

// listed is what chosen reads.
func listed(steps []Step) string {
	numbers := make([]string, len(steps))
	for i, s := range steps {
		numbers[i] = strconv.Itoa(s.N)
	}
	return strings.Join(numbers, ",")
}
