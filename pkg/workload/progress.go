package workload

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// containerCreating is kubelet's reason for a container that it has not created yet.
const containerCreating = "ContainerCreating"

// oomKilled is the container runtime's reason for a container that exceeded its memory limit.
const oomKilled = "OOMKilled"

// obstacle is a cause for which kubelet keeps a container waiting that does not pass by
// itself.
type obstacle struct{ reason, meaning string }

// obstacles are by kubelet's reason.
var obstacles = map[string]obstacle{
	"ErrImagePull":               {v1alpha1.ReasonImagePullFailed, "The desktop's image cannot be pulled"},
	"ImagePullBackOff":           {v1alpha1.ReasonImagePullFailed, "The desktop's image cannot be pulled"},
	"ErrImageNeverPull":          {v1alpha1.ReasonImagePullFailed, "The desktop's image is not on the node and must not be pulled"},
	"InvalidImageName":           {v1alpha1.ReasonImagePullFailed, "The desktop's image has a bad name"},
	"CreateContainerConfigError": {v1alpha1.ReasonContainerFailed, "The desktop's container cannot be configured"},
	"CreateContainerError":       {v1alpha1.ReasonContainerFailed, "The desktop's container cannot be created"},
	"RunContainerError":          {v1alpha1.ReasonContainerFailed, "The desktop's container cannot be started"},
	"CrashLoopBackOff":           {v1alpha1.ReasonCrashLoop, "The desktop ends right after its start"},
}

// podProgress says what a pod that is not ready waits for.
func podProgress(p *corev1.Pod) Progress {
	if pods.Ended(p) {
		return Progress{Reason: v1alpha1.ReasonPodEnded, Detail: p.Status.Message}.say("The desktop's pod has ended", p.Status.Reason)
	}
	if pods.NodeLost(p) {
		return lostProgress(p)
	}
	if c := pods.Condition(p, corev1.PodScheduled); c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		return unschedulable(withoutPreemption(c.Message))
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if progress := stuckContainer(&c); progress.Stuck {
			return progress
		}
	}
	switch {
	case p.Spec.NodeName == "":
		return Progress{Reason: v1alpha1.ReasonScheduling, Message: "Looking for a node for the desktop."}
	case p.Status.Phase == corev1.PodRunning:
		return Progress{Reason: v1alpha1.ReasonStarting, Message: "The desktop's programs are starting."}
	}
	if image := pulledImage(p); image != "" {
		return Progress{Reason: v1alpha1.ReasonPullingImage, Image: image, Message: "Pulling the desktop's image."}
	}
	return Progress{Reason: v1alpha1.ReasonPreparing, Message: "Preparing the desktop's image and volumes on its node."}
}

// say sets the message.
func (p Progress) say(meaning, reason string) Progress {
	p.Message, p.Detail = meaning, strings.TrimSpace(p.Detail)
	if reason != "" {
		p.Message += " (" + reason + ")"
	}
	if p.Detail == "" {
		p.Message += "."
	} else {
		p.Message += ": " + p.Detail
	}
	return p
}

// Because is the progress with what is known better than where it comes from: it is stuck for
// this reason, with a meaning and a detail for people.
func (p Progress) Because(reason, meaning, detail string) Progress {
	p.Reason, p.Detail, p.Stuck = reason, detail, true
	return p.say(meaning, "")
}

// stuckContainer says what keeps a container from running; it is not stuck if nothing does.
func stuckContainer(c *corev1.ContainerStatus) Progress {
	w := c.State.Waiting
	if w == nil || c.Name == v1alpha1.ContainerAgent { // The desktop runs without its agent.
		return Progress{}
	}
	o, stuck := obstacles[w.Reason]
	if !stuck {
		return Progress{}
	}
	progress := Progress{Reason: o.reason, Detail: w.Message, Stuck: true}
	if o.reason == v1alpha1.ReasonImagePullFailed {
		progress.Image = c.Image
	}
	if last := c.LastTerminationState.Terminated; last != nil {
		progress.Detail = fmt.Sprintf("exit code %d. %s", last.ExitCode, last.Message)
		if last.Reason == oomKilled {
			progress.Detail = "it took more memory than its limit. Raise resources.defaultMemory of the template, or resources.memory of the session."
		}
	}
	if c.Name != v1alpha1.ContainerDesktop {
		o.meaning += fmt.Sprintf(" (container %q)", c.Name)
	}
	return progress.say(o.meaning, w.Reason)
}

// pulledImage is the desktop's image while its node pulls it: the pod has its volumes and
// its network, and the container does not exist yet. It is empty otherwise, and where the
// cluster does not say.
func pulledImage(p *corev1.Pod) string {
	c := desktopStatus(p)
	if pods.Condition(p, corev1.PodReadyToStartContainers).Status != corev1.ConditionTrue ||
		c.State.Waiting == nil || c.State.Waiting.Reason != containerCreating {
		return ""
	}
	return c.Image
}

// insufficient finds the resources of which no node has enough in the scheduler's message
// (Kubernetes v1.35, pkg/scheduler/framework/plugins/noderesources/fit.go).
var insufficient = regexp.MustCompile(`Insufficient (\S+?)[,.]?(?:\s|$)`)

// unschedulable reads the scheduler's message, which alone says what is missing.
func unschedulable(message string) Progress {
	p := Progress{Reason: v1alpha1.ReasonWaitingForNode, Detail: message, Stuck: true}
	for _, found := range insufficient.FindAllStringSubmatch(message, -1) {
		name := found[1]
		if strings.Contains(name, "/") {
			p.Reason, p.Resource = v1alpha1.ReasonWaitingForGPU, name
			return p.say("Waiting for a GPU", "")
		}
		if p.Resource == "" || name == string(corev1.ResourceMemory) {
			p.Reason, p.Resource = v1alpha1.ReasonWaitingForResource, name
		}
	}
	switch {
	case p.Resource == string(corev1.ResourceCPU):
		return p.say("Waiting for CPU", "")
	case p.Resource != "":
		return p.say("Waiting for "+p.Resource, "")
	case strings.Contains(message, "PersistentVolumeClaim"), strings.Contains(message, "volume"):
		p.Reason = v1alpha1.ReasonWaitingForVolume
		return p.say("Waiting for the home's volume", "")
	}
	return p.say("Waiting for a node", "")
}

// withoutPreemption leaves out what the scheduler adds on preemption: desktops never
// preempt each other.
func withoutPreemption(message string) string {
	for _, aside := range []string{" no new claims to deallocate", " preemption: "} {
		message, _, _ = strings.Cut(message, aside)
	}
	return message
}
