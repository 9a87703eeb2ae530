// Package eventually waits for what comes in its own time, in tests and in the programs that act as a cluster's people.
// A wait that fails says what was last seen.
package eventually

import (
	"context"
	"fmt"
	"testing"
	"time"
)

const (
	// limit is what a test waits at most: more than the slowest machine takes.
	limit = time.Minute
	// A condition is checked after firstPause, and then less and less often. No figure is taken from a wait.
	firstPause, longestPause = time.Millisecond, 100 * time.Millisecond
)

// Wait waits until check returns nil, and returns its last error when ctx ends first.
func Wait(ctx context.Context, what string, check func() error) error {
	var seen error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		last := check()
		if last == nil {
			return nil
		}
		if seen == nil || ctx.Err() == nil { // a look that the end has cut short tells of that end
			seen = last
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last seen: %w)", what, context.Cause(ctx), seen)
		case <-time.After(pause):
		}
	}
}

// NoError waits until check returns nil.
func NoError(t testing.TB, what string, check func() error) {
	t.Helper()
	// Not the test's own context: that has ended when a test cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := Wait(ctx, what, check); err != nil {
		t.Fatal(err)
	}
}

// Equal waits until see returns want.
func Equal[T comparable](t testing.TB, what string, want T, see func() T) {
	t.Helper()
	NoError(t, what, func() error {
		if got := see(); got != want {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
}

// True waits until is returns true: for a condition that has no one value to show.
func True(t testing.TB, what string, is func() bool) {
	t.Helper()
	Equal(t, what, true, is)
}
