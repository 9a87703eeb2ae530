package autoscaler

import (
	"time"

	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// desiredScale is the number of replicas that a revision of a desktop should have;
// nil is unknown and means: leave it alone. session and service are nil where they
// don't exist.
func desiredScale(now time.Time, pa *autoscalingv1alpha1.PodAutoscaler, session *v1alpha1.VDISession, service *servingv1.Service) *int32 {
	zero, one := int32(0), int32(1)
	if session == nil {
		return nil
	}
	if !session.DeletionTimestamp.IsZero() {
		return &zero
	}
	decision := lifecycle.DecideSession(now, lifecycle.EffectivePolicy(session.Status.Lifecycle), session)
	if lifecycle.Asleep(session) && !decision.Awake {
		return &zero
	}
	// Two revisions exist after a change; only the newest may have the desktop's GPU
	// and home.
	newest, known := newestRevision(service)
	if !known {
		return nil
	}
	if pa.Name != newest {
		return &zero
	}
	if decision.Awake {
		return &one
	}
	// A clock has run out, but the session's controller has not recorded it yet.
	return nil
}

// configurationBehind is the reason that Knative gives while a Service's status
// speaks of an older generation (serving v0.50.0, service_lifecycle.go:85).
const configurationBehind = "OutOfDate"

// newestRevision is the revision that Knative made of the Service as it stands;
// unknown while Knative has not caught up with a change.
func newestRevision(s *servingv1.Service) (string, bool) {
	if s == nil || s.Generation != s.Status.ObservedGeneration || s.Status.LatestCreatedRevisionName == "" {
		return "", false
	}
	c := s.Status.GetCondition(servingv1.ServiceConditionConfigurationsReady)
	if c == nil || (c.IsUnknown() && c.Reason == configurationBehind) {
		return "", false
	}
	return s.Status.LatestCreatedRevisionName, true
}
