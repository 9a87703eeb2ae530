package activator

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
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

func asksForReach(s *v1alpha1.VDISession) {
	meta.SetStatusCondition(&s.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotReached})
}

func TestWhoReachesADesktopReportsItOnce(t *testing.T) {
	g := newGateway(t)
	g.wakes(newDesktop(t))
	for range 3 {
		ws := g.dial("/desk", g.as(fromPage))
		say(t, ws, "hi")
		expectEcho(t, ws, "hi")
	}
	g.eventually("it is written", func() bool { return g.reports() == 1 })
}

func TestTheOperatorsQuestionIsAnsweredThoughNobodyVisits(t *testing.T) {
	g := newGateway(t)
	f := newFront(t, 0, newDesktop(t))
	g.wakes(f.Server)
	if n := g.reports(); n != 0 {
		t.Fatalf("%d reports before anybody asks", n)
	}
	g.change(asksForReach)
	g.eventually("it was tried", func() bool { return g.reports() == 1 })
	if f.asked.Load() != 0 {
		t.Error("an attempt asks the desktop for something")
	}
	// It asks on, because that was not written, or does not count: nobody forgets it.
	g.eventually("it was tried again", func() bool { return g.reports() > 1 })
	g.change(func(s *v1alpha1.VDISession) { s.Status.Conditions = nil })
	g.eventually("nothing waits", func() bool {
		g.confirmer.mu.Lock()
		defer g.confirmer.mu.Unlock()
		return len(g.confirmer.attempts) == 0
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.writes {
		if a.Reached.IsZero() {
			t.Errorf("written: %+v", a)
		}
	}
}

func TestADesktopThatCannotBeReachedIsNotReported(t *testing.T) {
	g := newGateway(t)
	d := newDesktop(t)
	d.Close()
	g.wakes(d)
	g.change(asksForReach)
	time.Sleep(50 * time.Millisecond)
	if n := g.reports(); n != 0 {
		t.Errorf("%d reports of a desktop that refuses", n)
	}
	g.change(func(s *v1alpha1.VDISession) { s.Status.StartTime = nil })
	g.eventually("the attempt ends with the desktop's sleep", func() bool {
		g.confirmer.mu.Lock()
		defer g.confirmer.mu.Unlock()
		return len(g.confirmer.attempts) == 0
	})
}
