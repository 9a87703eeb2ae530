package probe

import (
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// unreachable is why the visitor cannot reach the desktop; nil while it may still accept.
// known says whether there is such a session.
func unreachable(view directory.View, known bool, visit Visit) error {
	if !known || view.Session.UID != visit.UID || view.Session.DeletionTimestamp != nil {
		return closing.Gone.Ending()
	}
	s := view.Session
	if lifecycle.PoweredOff(s) {
		return closing.PoweredOff.Ending()
	}
	if lifecycle.Asleep(s) && lifecycle.Slept(s).After(visit.Slept) {
		return slept(s)
	}
	return nil
}

// slept is the ending for a desktop whose last sleep ended the visits before it; nil where a
// visitor may wake it again.
func slept(s *v1alpha1.VDISession) error {
	switch {
	case !lifecycle.EndsVisits(s):
		return nil
	case lifecycle.StartFailed(s):
		return closing.StartFailed.Ending(s.Status.Message)
	}
	return closing.Asleep.Ending(lifecycle.SleptBy(s))
}

// RefuseScript returns why a script's reconnect must not wake the session; nil where it may.
func RefuseScript(s *v1alpha1.VDISession) error {
	if !lifecycle.NeedsPerson(s) {
		return nil
	}
	return slept(s)
}
