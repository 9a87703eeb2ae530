package prepull

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// mostPods bounds how many pods are read to find out what is wrong: one cause is mostly that of
// many nodes.
const mostPods = 500

// cause is what keeps images from a node.
type cause struct{ node, text string }

// report says how far a DaemonSet is.
func (k *Keeper) report(ctx context.Context, d *appsv1.DaemonSet) (*v1alpha1.TemplatePrePull, error) {
	st := d.Status
	if st.ObservedGeneration < d.Generation { // said of what was before
		return &v1alpha1.TemplatePrePull{Desired: st.DesiredNumberScheduled}, nil
	}
	report := &v1alpha1.TemplatePrePull{
		Desired: st.DesiredNumberScheduled,
		// At least so many pods are both ready and of the template as it is.
		Ready: min(max(st.NumberReady+st.UpdatedNumberScheduled-st.CurrentNumberScheduled, 0), st.DesiredNumberScheduled),
	}
	switch {
	case report.Desired == 0:
		report.Message = k.nowhere(d)
	case report.Ready < report.Desired:
		causes, err := k.causes(ctx, d)
		report.Message = say(causes)
		return report, err
	}
	return report, nil
}

// nowhere says why no node is to have the images.
func (k *Keeper) nowhere(d *appsv1.DaemonSet) string {
	keys := k.Config.PrePull.GPUNodeLabels
	if a := d.Spec.Template.Spec.Affinity; a != nil && wantsOneOf(a.NodeAffinity, keys) {
		return fmt.Sprintf("No node that the template's podTemplate allows has one of the labels %s, by which nodes with GPUs are known. "+
			"Set prePull.gpuNodeLabels to labels that yours have; [] is every node that podTemplate allows.", strings.Join(keys, ", "))
	}
	return "No node suits the nodeSelector, nodeAffinity and tolerations of the template's podTemplate."
}

func wantsOneOf(a *corev1.NodeAffinity, keys []string) bool {
	wants := func(r corev1.NodeSelectorRequirement) bool {
		return r.Operator == corev1.NodeSelectorOpExists && slices.Contains(keys, r.Key)
	}
	terms := a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	return slices.ContainsFunc(terms, func(t corev1.NodeSelectorTerm) bool { return slices.ContainsFunc(t.MatchExpressions, wants) })
}

// causes are what pods wait for that does not pass by itself, by node.
func (k *Keeper) causes(ctx context.Context, d *appsv1.DaemonSet) (all []cause, err error) {
	list := &corev1.PodList{}
	err = k.API.List(ctx, list, client.InNamespace(d.Namespace), client.Limit(mostPods),
		client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(d.Spec.Selector.MatchLabels)})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		if text := obstacle(&list.Items[i]); text != "" {
			all = append(all, cause{nodeOf(&list.Items[i]), text})
		}
	}
	slices.SortFunc(all, func(a, b cause) int { return cmp.Compare(a.node, b.node) })
	return all, nil
}

// nodeOf is the node that a pod is on or meant for: a DaemonSet's controller says so by affinity.
func nodeOf(p *corev1.Pod) string {
	a := p.Spec.Affinity
	if p.Spec.NodeName != "" || a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return p.Spec.NodeName
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			return strings.Join(field.Values, ",")
		}
	}
	return ""
}

// pullFailed are kubelet's reasons for an image that does not come. The first two take turns.
var pullFailed = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}

// stuck are kubelet's reasons for a container that does not start for another cause.
var stuck = []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}

// obstacle is what a pod waits for; empty where it is ready or on its way.
func obstacle(p *corev1.Pod) string {
	if c := pods.Condition(p, corev1.PodScheduled); c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		return "The pod cannot be scheduled" + why(c.Message)
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		w := c.State.Waiting
		switch {
		case w == nil:
		case slices.Contains(pullFailed, w.Reason):
			return fmt.Sprintf("Image %q cannot be pulled (%s)%s", c.Image, settled(w.Reason), why(w.Message))
		case slices.Contains(stuck, w.Reason):
			return fmt.Sprintf("Container %q of image %q does not start (%s)%s", c.Name, c.Image, w.Reason, why(w.Message))
		}
	}
	return ""
}

// settled is one reason for both of a pull that failed and is tried again, or the status would be
// written at each turn.
func settled(reason string) string {
	if reason == pullFailed[0] {
		return pullFailed[1]
	}
	return reason
}

// why is what kubelet adds, without what it says only at every second turn.
func why(message string) string {
	if _, cause, found := strings.Cut(message, pullFailed[0]+": "); found {
		message = cause
	}
	if message == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(strings.TrimSpace(message), ".")
}

// say names the first cause, its node, and how many nodes more there are.
func say(causes []cause) string {
	if len(causes) == 0 {
		return ""
	}
	first := causes[0]
	where := "node " + first.node
	if more := len(causes) - 1; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("On %s: %s.", where, first.text)
}
