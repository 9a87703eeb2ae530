package uninstall

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const notServedMessage = "VDI Operator was uninstalled, so nobody serves this session. Install it again and the session goes on, with " +
	"its home."

// sayNotServed makes the status say that nobody serves the session.
func (u *Uninstaller) sayNotServed(ctx context.Context, s *v1alpha1.VDISession) error {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Reason == v1alpha1.ReasonNotServed {
		return nil
	}
	base := s.DeepCopy()
	s.Status = notServed(s, time.Now())
	return client.IgnoreNotFound(u.Client.Status().Patch(ctx, s, client.MergeFrom(base)))
}

// notServed is the status of a session that nobody serves. It keeps when the session was
// used, and is asleep since now where it was not before: a visit from before must not
// wake it when another installation takes it up.
func notServed(s *v1alpha1.VDISession, now time.Time) v1alpha1.VDISessionStatus {
	was := s.Status
	status := v1alpha1.VDISessionStatus{
		Phase: v1alpha1.PhasePending, Message: notServedMessage,
		Activity: was.Activity, LastStartDuration: was.LastStartDuration,
		SleepTime: was.SleepTime, SleepReason: was.SleepReason, GPUUse: was.GPUUse,
	}
	if lifecycle.Awake(s) || lifecycle.Visited(s, now) {
		status.SleepTime, status.SleepReason = lifecycle.SleepTime(now.Truncate(time.Microsecond), s), ""
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotServed, Message: notServedMessage,
		ObservedGeneration: s.Generation, LastTransitionTime: metav1.NewTime(now),
	})
	return status
}
