package lifecycle

import (
	"testing"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// The agent says "I watch" (idle = never) as soon as the X server is up, or a hidden tab when the desktop is ready.
func TestTheIdleClockDoesNotRunWhileTheDesktopStarts(t *testing.T) {
	woke := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(m float64) time.Time { return woke.Add(time.Duration(m * float64(time.Minute))) }
	p := Policy{Lifecycle: v1alpha1.Lifecycle{
		IdleTimeout: v1alpha1.NewDuration(5 * time.Minute), StartupTimeout: v1alpha1.NewDuration(30 * time.Minute)}}
	for name, tc := range map[string]struct {
		now, watched, ready time.Time
	}{
		"a display, not ready yet":           {at(6), at(1), time.Time{}},
		"ready a moment ago after 7 minutes": {at(7), at(7), at(6.9)},
	} {
		a := Activity{LastWake: woke, LastConnected: tc.now, LastWatched: tc.watched}
		d := Decide(tc.now, p, a, Record{AwakeSince: woke, ReadyAt: tc.ready})
		if !d.Awake {
			t.Errorf("%s: put to sleep (%s)", name, d.Reason)
		}
	}
}
