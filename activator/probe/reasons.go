package probe

import (
	"errors"
	"fmt"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Why a desktop cannot be reached; errors.Is distinguishes them. The error's text is the
// sentence for the visitor.
var (
	ErrGone        = errors.New("this session was deleted")
	ErrPoweredOff  = errors.New("this desktop is switched off")
	ErrAsleep      = errors.New("this desktop was put to sleep")
	ErrStartFailed = errors.New("this desktop did not start")
)

// unreachable is why the visitor cannot reach the desktop; nil while it may still accept.
// known says whether there is such a session.
func unreachable(view directory.View, known bool, visit Visit) error {
	if !known || view.Session.UID != visit.UID || view.Session.DeletionTimestamp != nil {
		return ErrGone
	}
	s := view.Session
	if lifecycle.PoweredOff(s) {
		return ErrPoweredOff
	}
	if lifecycle.Asleep(s) && lifecycle.Slept(s).After(visit.Slept) {
		return slept(s)
	}
	return nil
}

// slept is the error for a desktop whose last sleep ended the visits before it; nil where a
// visitor may wake it again.
func slept(s *v1alpha1.VDISession) error {
	switch {
	case !lifecycle.EndsVisits(s):
		return nil
	case lifecycle.StartFailed(s):
		return fmt.Errorf("%w: %s", ErrStartFailed, s.Status.Message)
	}
	return fmt.Errorf("%w (%s)", ErrAsleep, lifecycle.SleptBy(s))
}

// RefuseScript returns why a script's reconnect must not wake the session; nil where it may.
func RefuseScript(s *v1alpha1.VDISession) error {
	if !lifecycle.NeedsPerson(s) {
		return nil
	}
	return slept(s)
}
