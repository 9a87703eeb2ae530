package workload

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

func sessionPods(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := c.List(ctx, list, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// observePods is what the session's pods tell.
func observePods(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) (Observation, error) {
	pods, err := sessionPods(ctx, c, s)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Pods: len(pods), Pod: current(pods)}
	if o.Pod != nil {
		o.Progress = podProgress(o.Pod)
	}
	return o, nil
}

// podOf names a pod of the session of which which is true; empty without one.
func podOf(ctx context.Context, c client.Reader, s *v1alpha1.VDISession, which func(*corev1.Pod) bool) (string, error) {
	list, err := sessionPods(ctx, c, s)
	if err != nil {
		return "", err
	}
	for i := range list {
		if which(&list[i]) {
			return fmt.Sprintf("pod %q", list[i].Name), nil
		}
	}
	return "", nil
}

func anyPod(*corev1.Pod) bool { return true }

// current is the pod that the desktop is, of those that exist.
func current(list []corev1.Pod) *corev1.Pod {
	return pods.Newest(func(yield func(*corev1.Pod) bool) {
		for i := range list {
			if !yield(&list[i]) {
				return
			}
		}
	})
}

// ready says that the pod is ready, or would be if its agent were, which only makes the
// desktop reachable sooner.
func ready(p *corev1.Pod) bool {
	if pods.Ready(p) {
		return true
	}
	running := 0
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == v1alpha1.ContainerAgent {
			continue
		}
		if !c.Ready {
			return false
		}
		running++
	}
	return running > 0 && running == len(p.Spec.Containers)-1 && p.DeletionTimestamp.IsZero()
}

// stuckReasons are the reasons for which kubelet keeps a container waiting that
// don't pass by themselves, with what they mean to people.
var stuckReasons = map[string]string{
	"ErrImagePull":               "The desktop's image cannot be pulled",
	"ImagePullBackOff":           "The desktop's image cannot be pulled",
	"ErrImageNeverPull":          "The desktop's image is not on the node and must not be pulled",
	"InvalidImageName":           "The desktop's image has a bad name",
	"CreateContainerConfigError": "The desktop's container cannot be configured",
	"CreateContainerError":       "The desktop's container cannot be created",
	"RunContainerError":          "The desktop's container cannot be started",
	"CrashLoopBackOff":           "The desktop ends right after its start",
}

// podProgress says what a pod that is not ready waits for.
func podProgress(p *corev1.Pod) Progress {
	if pods.Ended(p) {
		return Progress{Reason: v1alpha1.ReasonPodEnded, Message: sentence("The desktop's pod has ended", p.Status.Reason, p.Status.Message)}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return Progress{Reason: v1alpha1.ReasonUnschedulable, Message: waitingFor(p, c.Message) + ": " + withoutPreemption(c.Message), Stuck: true}
		}
	}
	statuses := append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...)
	for _, c := range statuses {
		w := c.State.Waiting
		if w == nil || c.Name == v1alpha1.ContainerAgent {
			continue // the desktop does without its agent
		}
		meaning, stuck := stuckReasons[w.Reason]
		if !stuck {
			continue
		}
		detail := w.Message
		if last := c.LastTerminationState.Terminated; last != nil {
			detail = fmt.Sprintf("exit code %d. %s", last.ExitCode, last.Message)
		}
		if c.Name != v1alpha1.ContainerDesktop {
			meaning += fmt.Sprintf(" (container %q)", c.Name)
		}
		return Progress{Reason: w.Reason, Message: sentence(meaning, w.Reason, detail), Stuck: true}
	}
	switch {
	case p.Spec.NodeName == "":
		return Progress{Reason: v1alpha1.ReasonScheduling, Message: "Looking for a node for the desktop."}
	case p.Status.Phase == corev1.PodRunning:
		return Progress{Reason: v1alpha1.ReasonStarting, Message: "The desktop's programs are starting."}
	default:
		return Progress{Reason: v1alpha1.ReasonPreparing, Message: "Preparing the desktop's image and volumes on its node."}
	}
}

// withoutPreemption leaves out what the scheduler adds on why it drove nobody out:
// desktops never drive each other out.
func withoutPreemption(message string) string {
	for _, aside := range []string{" no new claims to deallocate", " preemption: "} {
		message, _, _ = strings.Cut(message, aside)
	}
	return message
}

// waitingFor reads the scheduler's message for the resource that is missing.
func waitingFor(p *corev1.Pod, message string) string {
	for _, c := range p.Spec.Containers {
		for name := range c.Resources.Limits {
			if strings.Contains(string(name), "/") && strings.Contains(message, "Insufficient "+string(name)) {
				return WaitingForGPU
			}
		}
	}
	switch {
	case strings.Contains(message, "Insufficient memory"):
		return "Waiting for memory"
	case strings.Contains(message, "Insufficient cpu"):
		return "Waiting for CPU"
	case strings.Contains(message, "PersistentVolumeClaim"), strings.Contains(message, "volume"):
		return "Waiting for the home's volume"
	}
	return "Waiting for a node"
}

func sentence(meaning, reason, detail string) string {
	text := meaning
	if reason != "" {
		text += " (" + reason + ")"
	}
	if detail = strings.TrimSpace(detail); detail != "" {
		return text + ": " + detail
	}
	return text + "."
}
