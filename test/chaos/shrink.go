package chaos

import "slices"

// shrink looks for a short list of steps that still fails: it leaves out families first, and
// then ever smaller parts, as long as more is true (Zeller's ddmin). fails runs a list anew.
func shrink(steps []Step, fails func([]Step) bool, more func() bool) []Step {
	all := families(steps)
	slices.SortStableFunc(all, func(a, b string) int { return len(ofFamily(steps, b)) - len(ofFamily(steps, a)) })
	for _, family := range all {
		if !more() {
			return steps
		}
		without := slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return kinds[s.Kind].family == family })
		if len(without) < len(steps) && fails(without) {
			steps = without
		}
	}
	for parts := 2; len(steps) > 1 && more(); {
		smaller, found := withoutOne(steps, parts, fails, more)
		switch {
		case found:
			steps, parts = smaller, max(parts-1, 2)
		case parts >= len(steps):
			return steps
		default:
			parts = min(2*parts, len(steps))
		}
	}
	return steps
}

func ofFamily(steps []Step, family string) []Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return kinds[s.Kind].family != family })
}

// withoutOne is the steps without one of so many parts, where they fail still.
func withoutOne(steps []Step, parts int, fails func([]Step) bool, more func() bool) ([]Step, bool) {
	for i := range parts {
		from, to := i*len(steps)/parts, (i+1)*len(steps)/parts
		rest := slices.Concat(steps[:from], steps[to:])
		if !more() {
			return nil, false
		}
		if len(rest) < len(steps) && fails(rest) {
			return rest, true
		}
	}
	return nil, false
}
