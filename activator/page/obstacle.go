package page

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// passing are the operator's reasons for which the page has better words than the
// operator's: it sees the pod itself, and sooner.
var passing = []string{v1alpha1.ReasonWaking, v1alpha1.ReasonScheduling, v1alpha1.ReasonPreparing, v1alpha1.ReasonPullingImage,
	v1alpha1.ReasonStarting, v1alpha1.ReasonRunning, v1alpha1.ReasonAsleep, v1alpha1.ReasonNotReached}

// ofPlace are the reasons that are of an earlier moment once the pod has a node.
var ofPlace = []string{v1alpha1.ReasonWaitingForGPU, v1alpha1.ReasonWaitingForResource,
	v1alpha1.ReasonWaitingForVolume, v1alpha1.ReasonStorageClassMissing, v1alpha1.ReasonNoNodeLargeEnough, v1alpha1.ReasonWaitingForNode}

// obstacle is what keeps a start waiting that this page does not see; empty if nothing does.
// It blocks if it lasts until somebody acts.
func obstacle(now time.Time, s *v1alpha1.VDISession, step Step) (summary, detail string, blocks bool) {
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil || c.Message == "" || slices.Contains(passing, c.Reason) || step != StepPlace && slices.Contains(ofPlace, c.Reason) {
		return "", "", false
	}
	summary, detail = explained(now, s.Status.Waiting, c)
	return summary, detail, lifecycle.NeedsAction(c.Reason)
}

func explained(now time.Time, w *v1alpha1.SessionWaiting, c *metav1.Condition) (summary, detail string) {
	if w != nil && w.Reason == c.Reason {
		if w.Until != nil && w.Until.After(now) {
			return waitText(w), fmt.Sprintf(untilText(w), inWords(w.Until.Sub(now).Truncate(time.Second)+time.Second))
		}
		if text := waitText(w); text != "" {
			return text, w.Detail
		}
	}
	return reasonOrMessage(c.Reason, c.Message)
}

// reasonOrMessage goes without status.waiting, which is not there before the start or where
// the session's definition is older than that field; a reason may be newer than this page.
func reasonOrMessage(reason, message string) (summary, detail string) {
	if text := reasonTexts[reason]; text != "" {
		return text, message
	}
	return message, ""
}

// untilText says when what a start waits for passes by itself.
func untilText(w *v1alpha1.SessionWaiting) string {
	if w.Reason == v1alpha1.ReasonNodeLost {
		return textGivenUpIn
	}
	return textAtMost
}

// waitText says what a start waits for; empty for a reason that this page does not know.
func waitText(w *v1alpha1.SessionWaiting) string {
	switch {
	case w.Reason == v1alpha1.ReasonWaitingForResource && w.Resource != "":
		return fmt.Sprintf(textWaitingFor, w.Resource)
	case w.Reason == v1alpha1.ReasonImagePullFailed && w.Image != "":
		return fmt.Sprintf(textNoImage, w.Image)
	}
	return reasonTexts[w.Reason]
}

// startFailed says that the start failed, and what it waited for last.
func startFailed(st *v1alpha1.VDISessionStatus, p lifecycle.Policy) (summary, detail string) {
	if st.Waiting == nil || waitText(st.Waiting) == "" {
		return textStartFailed, st.Message
	}
	detail = waitText(st.Waiting)
	if st.Waiting.Detail != "" {
		detail += " " + st.Waiting.Detail
	}
	if p.StartupTimeout.OrZero() == 0 {
		return textStartFailed, detail
	}
	return fmt.Sprintf(textStartFailedIn, inWords(p.StartupTimeout.OrZero())), detail
}
