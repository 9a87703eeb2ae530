package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// moment is one line of the timeline.
type moment struct {
	what string
	at   time.Time
}

// timeline is what happened from the visitor's first click.
type timeline []moment

func (t *timeline) add(what string, at time.Time) {
	*t = append(*t, moment{what, at})
}

// print writes the moments in the order of time, in milliseconds since the first.
func (t timeline) print(w io.Writer) {
	slices.SortStableFunc(t, func(a, b moment) int { return a.at.Compare(b.at) })
	for _, m := range t {
		fmt.Fprintf(w, "%8d ms  %s\n", m.at.Sub(t[0].at).Milliseconds(), m.what)
	}
}
