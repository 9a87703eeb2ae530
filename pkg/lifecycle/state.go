package lifecycle

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Awake says that the operator has recorded a wake, and no sleep since.
func Awake(s *v1alpha1.VDISession) bool { return s.Status.StartTime != nil }

// Asleep says that the operator has seen the session and recorded no wake since its last
// sleep. A status that nobody wrote, or that was lost, says neither Awake nor Asleep.
func Asleep(s *v1alpha1.VDISession) bool { return s.Status.ObservedGeneration > 0 && !Awake(s) }

// Dozing says that the awake desktop is frozen in its pod, or may be: whoever dials it has to have
// it thawed first.
func Dozing(s *v1alpha1.VDISession) bool { return Awake(s) && s.Status.Doze != nil }

// Runs says that the desktop is awake, and does not doze.
func Runs(s *v1alpha1.VDISession) bool { return Awake(s) && s.Status.Doze == nil }

// Returned says that somebody has visited the dozing desktop since it dozes, as far as that can be
// believed at now: it thaws.
func Returned(s *v1alpha1.VDISession, now time.Time) bool {
	a, r := Read(s)
	a = a.credible(now)
	return latest(a.Asked(), a.LastConnected).After(r.DozingSince)
}

// Rested is when the desktop was last put to sleep, or since when it dozes; zero is never. Only
// who comes after it has the desktop wake or thaw.
func Rested(s *v1alpha1.VDISession) time.Time {
	if d := s.Status.Doze; d != nil {
		return latest(Slept(s), d.Since.Time)
	}
	return Slept(s)
}

// Called says that somebody asked for the desktop after its last sleep, or since it dozes, as far
// as that can be believed at now.
func Called(s *v1alpha1.VDISession, now time.Time) bool {
	a, _ := Read(s)
	return a.credible(now).Asked().After(Rested(s))
}

// Unknown says that nothing is recorded of the desktop: its status was never written, or lost.
func Unknown(s *v1alpha1.VDISession) bool {
	return s.Status.ObservedGeneration == 0 && !Awake(s) && s.Status.SleepTime == nil
}

// Started says that the desktop has been reachable since the wake, or since it lost its pod.
// Until then it sleeps or starts.
func Started(s *v1alpha1.VDISession) bool { return s.Status.ReadyTime != nil }

// StartBegan is when the start that an awake desktop is in, or the last one, began.
func StartBegan(s *v1alpha1.VDISession) time.Time {
	return latest(at(s.Status.StartTime), at(s.Status.LostTime))
}

// Finishing says that the awake desktop does not start before a pod has ended. Until then the pod
// that it has is the last session's.
func Finishing(s *v1alpha1.VDISession) bool {
	w := s.Status.Waiting
	return Awake(s) && !Started(s) && w != nil && w.Reason == v1alpha1.ReasonHomeFinishing
}

// NotReached says that the operator takes the awake desktop for ready, and asks the
// activators whether it can be reached.
func NotReached(s *v1alpha1.VDISession) bool {
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	return Awake(s) && c != nil && c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.ReasonNotReached
}

// PoweredOff says that no visit wakes the desktop.
func PoweredOff(s *v1alpha1.VDISession) bool { return s.Spec.Power == v1alpha1.PowerOff }

// Slept is when the desktop was last put to sleep; zero is never.
func Slept(s *v1alpha1.VDISession) time.Time { return at(s.Status.SleepTime) }

// SleptBy is the clock that last put the desktop to sleep, or the reason where it was none.
func SleptBy(s *v1alpha1.VDISession) Reason { return Reason(s.Status.SleepReason) }

// SinceSleep says that t is later than the last sleep; nil is never.
func SinceSleep(s *v1alpha1.VDISession, t *metav1.MicroTime) bool {
	return t != nil && t.After(Slept(s))
}

// Visited says that somebody asked for the desktop after its last sleep, as far as that can
// be believed at now: it wakes, or is awake.
func Visited(s *v1alpha1.VDISession, now time.Time) bool {
	a, r := Read(s)
	return a.credible(now).Asked().After(r.AsleepSince)
}

// Awaited says that the desktop is to run at now, by the clocks that the status shows, and nobody
// has reached it yet, or it dozes: somebody waits for it.
func Awaited(now time.Time, s *v1alpha1.VDISession) bool {
	if !s.DeletionTimestamp.IsZero() || Started(s) && !Dozing(s) {
		return false
	}
	d := DecideSession(now, EffectivePolicy(s.Status.Lifecycle), s)
	return d.Awake && !d.Dozing
}

// StartFailed says that the last sleep came because the desktop did not start in time.
func StartFailed(s *v1alpha1.VDISession) bool { return SleptBy(s) == ReasonStartup }

// EndsVisits says that the last sleep ended the visits before it, rather than that it came
// because nobody seemed to be there.
func EndsVisits(s *v1alpha1.VDISession) bool {
	clock, is := ByReason(SleptBy(s))
	return is && clock.EndsVisits || SleptBy(s) == ReasonSleepRequested
}

// NeedsPerson says that a script's reconnect must not wake the desktop: its sleep ended the
// visits before it, and nobody has asked for it since.
func NeedsPerson(s *v1alpha1.VDISession) bool {
	return !Awake(s) && s.Status.SleepTime != nil && EndsVisits(s) && !Visited(s, time.Now())
}

// SleepTime is what a sleep at now is recorded as. What woke the desktop, or put it to sleep,
// must not do so again, even where the clock of who wrote it is ahead of now. Where a doze is
// lost, the visit that found that out still counts: the desktop starts anew for it.
func SleepTime(now time.Time, s *v1alpha1.VDISession) *metav1.MicroTime {
	a, r := Read(s)
	if r.DozeLost {
		return &metav1.MicroTime{Time: r.DozingSince}
	}
	a = a.credible(now)
	return &metav1.MicroTime{Time: latest(now, a.Asked(), a.SleepAt)}
}

// needAction are the reasons of Ready for which a desktop does not start until somebody changes
// something.
var needAction = []string{
	v1alpha1.ReasonTemplateNotFound, v1alpha1.ReasonInvalidTemplate, v1alpha1.ReasonHomeInUse, v1alpha1.ReasonRefused, v1alpha1.ReasonNameTaken,
	v1alpha1.ReasonKnativeMissing, v1alpha1.ReasonKnativeFailed, v1alpha1.ReasonPodNotCreated, v1alpha1.ReasonStorageClassMissing,
	v1alpha1.ReasonNoNodeLargeEnough, v1alpha1.ReasonImagePullFailed, v1alpha1.ReasonContainerFailed, v1alpha1.ReasonCrashLoop,
}

// NeedsAction says of a reason of the condition Ready that it lasts until somebody acts.
func NeedsAction(reason string) bool { return slices.Contains(needAction, reason) }
