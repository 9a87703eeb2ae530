package activator

import (
	"testing"

	"github.com/org/vdi-operator/pkg/eventually"
)

// reports is how often it was written that the desktop was reached.
func (g *gateway) reports() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.writes {
		if !a.Reached.IsZero() {
			if !a.Connected.IsZero() || !a.Wake.IsZero() || !a.Input.IsZero() {
				g.t.Errorf("written with activity: %+v", a)
			}
			n++
		}
	}
	return n
}

func TestWhoReachesADesktopReportsItOnce(t *testing.T) {
	g := newGateway(t)
	g.wakes(newDesktop(t))
	for range 3 {
		ws := g.dial("/desk", g.as(fromPage))
		say(t, ws, "hi")
		expectEcho(t, ws, "hi")
	}
	eventually.Equal(g.t, "it is written", 1, g.reports)
}
