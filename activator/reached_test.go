package activator_test

import (
	"testing"

	"github.com/org/vdi-operator/pkg/eventually"
)

// reports is how often it was written that the desktop was reached.
func (g *gateway) reports() (n int) {
	for _, a := range g.Written() {
		if !a.Reached.IsZero() {
			if !a.Connected.IsZero() || !a.Wake.IsZero() || !a.Input.IsZero() {
				g.T.Errorf("written with activity: %+v", a)
			}
			n++
		}
	}
	return n
}

func TestWhoReachesADesktopReportsItOnce(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	for range 3 {
		ws := g.dial("/desk", g.As(fromPage))
		say(t, ws, "hi")
		expectEcho(t, ws, "hi")
	}
	eventually.Equal(g.T, "it is written", 1, g.reports)
}
