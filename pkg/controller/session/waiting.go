package session

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// progress is how far the start of a desktop has come that is to run and is not reachable.
func (p *pass) progress() workload.Progress {
	switch {
	case p.observed.Ready():
		return notReached(p.session)
	case p.observed.Progress.Reason != "":
		return p.observed.Progress
	}
	return workload.Progress{Reason: v1alpha1.ReasonWaking, Message: "The desktop is being scheduled."}
}

// notReached is the progress of a desktop that is ready by its own account only.
func notReached(s *v1alpha1.VDISession) workload.Progress {
	port := ""
	if st := s.Status.Streaming; st != nil && st.Port != 0 {
		port = fmt.Sprintf(" %d", st.Port)
	}
	const remedy = "It must listen at all addresses (0.0.0.0), not at 127.0.0.1 only, and network policies must let the activator in."
	return workload.Progress{Reason: v1alpha1.ReasonNotReached, Detail: remedy,
		Message: "The desktop's programs run, but nobody has reached its port" + port + " at the pod's address yet. " + remedy}
}

// waitFor records what the start waits for, and since when where that is new.
func (p *pass) waitFor(progress workload.Progress) {
	waiting := v1alpha1.SessionWaiting{
		Reason: progress.Reason, Resource: progress.Resource, Image: progress.Image, Detail: progress.Detail,
		Since: metav1.NewTime(p.now), Until: progress.Until}
	was := p.session.Status.Waiting
	if was != nil && was.Reason == waiting.Reason && was.Resource == waiting.Resource && was.Image == waiting.Image {
		waiting.Since = was.Since
	}
	p.session.Status.Waiting = &waiting
}
