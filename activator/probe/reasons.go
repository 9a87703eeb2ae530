package probe

import (
	"errors"
	"fmt"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Reasons why a desktop cannot be reached; errors.Is tells them apart. The error
// text is the sentence for the visitor.
var (
	ErrGone        = errors.New("this session was deleted")
	ErrPoweredOff  = errors.New("this desktop is switched off")
	ErrAsleep      = errors.New("this desktop was put to sleep")
	ErrStartFailed = errors.New("this desktop did not start")
)

// hopeless is why the visitor cannot reach the desktop as it stands; nil while
// there is hope. known says whether there is such a session at all.
func hopeless(view directory.View, known bool, visit Visit) error {
	if !known || view.Session.UID != visit.UID || view.Session.DeletionTimestamp != nil {
		return ErrGone
	}
	s := view.Session
	if s.Spec.Power == v1alpha1.PowerOff {
		return ErrPoweredOff
	}
	if view.Asleep() && s.Status.SleepTime != nil && s.Status.SleepTime.After(visit.Slept) {
		return slept(s)
	}
	return nil
}

// EndsVisits says that the session's last sleep ended the visits before it, rather
// than that it came because nobody seemed to be there.
func EndsVisits(s *v1alpha1.VDISession) bool { return slept(s) != nil }

// slept is the error for a desktop that a clock put to sleep; nil where the sleep
// came because nobody seemed to be there, and a visitor may wake it again.
func slept(s *v1alpha1.VDISession) error {
	switch lifecycle.Reason(s.Status.SleepReason) {
	case lifecycle.ReasonStartup:
		return fmt.Errorf("%w: %s", ErrStartFailed, s.Status.Message)
	case lifecycle.ReasonMaxDuration, lifecycle.ReasonIdle:
		return fmt.Errorf("%w (%s)", ErrAsleep, s.Status.SleepReason)
	}
	return nil
}

// Slept returns why a script's reconnect must not wake the session, or nil when it
// may: a clock put the desktop to sleep although somebody may have been connected,
// or it did not start, and nobody has asked for it since. Only a person wakes it.
func Slept(s *v1alpha1.VDISession) error {
	if s.Status.StartTime != nil || s.Status.SleepTime == nil {
		return nil
	}
	if a := s.Status.Activity; a != nil && a.LastWakeTime != nil && a.LastWakeTime.After(s.Status.SleepTime.Time) {
		return nil
	}
	return slept(s)
}
