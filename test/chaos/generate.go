package chaos

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// stepsPerSecond is how many steps a round has for each second of it.
	stepsPerSecond = 40
	// everyday is the family that no round does without: without visits nothing happens.
	everyday = "everyday"
	// familyShare is the share of rounds that have each other family: where all happen at
	// once, they hide each other.
	familyShare = 0.3
)

// generate is the round of a seed, of that length.
func generate(seed uint64, length time.Duration) []Step {
	r := rand.New(rand.NewPCG(seed, 0))
	bag, had := bagOf(r), map[string]int{}
	steps := make([]Step, int(length.Seconds()*stepsPerSecond))
	for i := range steps {
		name := bag[r.IntN(len(bag))]
		for kinds[name].most > 0 && had[name] == kinds[name].most {
			name = bag[r.IntN(len(bag))]
		}
		had[name]++
		steps[i] = Step{N: i, At: length * time.Duration(i) / time.Duration(len(steps)), Kind: name, Session: r.IntN(len(casts)), Choice: r.Uint32()}
	}
	return steps
}

// bagOf holds each kind of this round's families as often as it weighs.
func bagOf(r *rand.Rand) (bag []string) {
	names := slices.Sorted(maps.Keys(kinds))
	has := map[string]bool{everyday: true}
	for _, name := range names {
		if _, known := has[kinds[name].family]; !known {
			has[kinds[name].family] = r.Float64() < familyShare
		}
	}
	for _, name := range names {
		if has[kinds[name].family] {
			bag = append(bag, slices.Repeat([]string{name}, kinds[name].weight)...)
		}
	}
	return bag
}

// families are those of these steps.
func families(steps []Step) []string {
	found := map[string]bool{}
	for _, s := range steps {
		found[kinds[s.Kind].family] = true
	}
	return slices.Sorted(maps.Keys(found))
}
