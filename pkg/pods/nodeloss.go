package pods

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// LostNodeTaints are the NoExecute taints of a node that does not answer or says that it is
// not ready.
var LostNodeTaints = []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable}

// OutOfService is the taint by which somebody says of a lost node that it is off: Kubernetes then
// deletes its pods by force and lets go of their volumes ("Non-graceful node shutdown handling" in
// its documentation).
var OutOfService = corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}

// NodeLost says that the pod's node does not answer, as far as the pod tells, so that nobody
// needs the right to read Nodes. Kubernetes' controller of nodes then makes Ready false and
// leaves ContainersReady as it was (v1.35, pkg/controller/util/node, MarkPodsNotReady). The
// node's kubelet makes Ready false only with ContainersReady, or for a readiness gate
// (pkg/kubelet/status/generate.go), and writes its own again when it is back. Of a pod that
// was not ready before, nobody can tell.
func NodeLost(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && !Ended(p) && Condition(p, corev1.PodReady).Status == corev1.ConditionFalse &&
		Condition(p, corev1.ContainersReady).Status == corev1.ConditionTrue && gatesOpen(p)
}

func gatesOpen(p *corev1.Pod) bool {
	for _, gate := range p.Spec.ReadinessGates {
		if Condition(p, gate.ConditionType).Status != corev1.ConditionTrue {
			return false
		}
	}
	return true
}

// GivenUpAt is when Kubernetes deletes a pod of a lost node at the latest; zero for never.
func GivenUpAt(p *corev1.Pod) time.Time {
	longest := time.Duration(0)
	for _, taint := range LostNodeTaints {
		after, ends := toleratedFor(p, taint)
		if !ends {
			return time.Time{}
		}
		longest = max(longest, after)
	}
	return Condition(p, corev1.PodReady).LastTransitionTime.Add(longest)
}

// toleratedFor is how long a pod stays on a node with a NoExecute taint: the shortest time of
// its tolerations; false for ever.
func toleratedFor(p *corev1.Pod, taint string) (after time.Duration, ends bool) {
	tolerated, shortest := false, int64(math.MaxInt64)
	for i := range p.Spec.Tolerations {
		if t := &p.Spec.Tolerations[i]; ToleratesNoExecute(t, taint) {
			tolerated = true
			if t.TolerationSeconds != nil {
				shortest = min(shortest, max(0, *t.TolerationSeconds))
			}
		}
	}
	switch {
	case !tolerated:
		return 0, true
	case shortest > int64(math.MaxInt64/time.Second):
		return 0, false
	}
	return time.Duration(shortest) * time.Second, true
}

// ToleratesNoExecute says that a toleration is of a NoExecute taint with this key, as
// Kubernetes' admission of tolerations reads it (v1.35, plugin/pkg/admission/defaulttolerationseconds).
func ToleratesNoExecute(t *corev1.Toleration, taint string) bool {
	return (t.Key == taint || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
}
