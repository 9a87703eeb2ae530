package cluster

import (
	"fmt"
	"io"
	"time"
)

// notable is how long a step must take to be worth a line of its own.
const notable = 50 * time.Millisecond

// Progress tells the person waiting what happens and how long it took.
type Progress struct {
	Out   io.Writer
	begun time.Time
}

// NewProgress starts the clock.
func NewProgress(out io.Writer) *Progress { return &Progress{Out: out, begun: time.Now()} }

// Step runs one step and prints its name and seconds, so that each line is whole even when
// what the step runs prints lines of its own.
func (p *Progress) Step(name string, do func() error) error {
	begun := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if took := time.Since(begun); took >= notable {
		fmt.Fprintf(p.Out, "%6.1f s  %s\n", took.Seconds(), name)
	}
	return nil
}

// Seconds since the start.
func (p *Progress) Seconds() float64 { return time.Since(p.begun).Seconds() }
