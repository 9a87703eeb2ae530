package main

// verdict sums up what viewers heard of what they had said.
type verdict struct {
	// Served is the number of viewers that heard everything.
	Served int
	// Lost, Reordered and Duplicated are numbers of messages.
	Lost, Reordered, Duplicated int
}

// add judges one viewer: it said messages 0 to said-1, in that order, and one more
// when all of them had come back. err is why it could not go on; nil when it was
// served to the end.
func (v *verdict) add(heard []int, said int, err error) {
	if err == nil {
		v.Served++
		said++
	}
	times := make([]int, said)
	latest := -1
	for _, i := range heard {
		if i < 0 || i >= said {
			v.Duplicated++ // nobody said this
			continue
		}
		if times[i]++; times[i] > 1 {
			v.Duplicated++
			continue
		}
		if i < latest {
			v.Reordered++
		}
		latest = max(latest, i)
	}
	for _, n := range times {
		if n == 0 {
			v.Lost++
		}
	}
}
