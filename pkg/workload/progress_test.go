package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func kept(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "desktop", Image: "desktop:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func pending(message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
	}}}
}

func TestWhatAStartWaitsForIsAReasonWithItsDetail(t *testing.T) {
	crashed := kept("CrashLoopBackOff", "back-off 10s")
	crashed.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Message: "no display"}
	tooBig := kept("CrashLoopBackOff", "back-off 10s")
	tooBig.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	pulling := kept("ContainerCreating", "")
	pulling.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		node   string
		want   Progress
	}{
		"no GPU is free": {pending("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
				Message: "Waiting for a GPU: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", Stuck: true}},
		"the scheduler adds asides": {pending("0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
				Message: "Waiting for a GPU: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", Stuck: true}},
		"no memory is free": {pending("0/1 nodes are available: 1 Insufficient memory."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForResource, Resource: "memory", Detail: "0/1 nodes are available: 1 Insufficient memory.",
				Message: "Waiting for memory: 0/1 nodes are available: 1 Insufficient memory.", Stuck: true}},
		"the volume is elsewhere": {pending("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForVolume, Detail: "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
				Message: "Waiting for the home's volume: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", Stuck: true}},
		"no node fits": {pending("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForNode, Detail: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
				Message: "Waiting for a node: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", Stuck: true}},
		"the image is not there": {kept("ErrImagePull", "not found"), "n",
			Progress{Reason: v1alpha1.ReasonImagePullFailed, Image: "desktop:1", Detail: "not found",
				Message: "The desktop's image cannot be pulled (ErrImagePull): not found", Stuck: true}},
		"the image is waited for": {kept("ImagePullBackOff", ""), "n",
			Progress{Reason: v1alpha1.ReasonImagePullFailed, Image: "desktop:1",
				Message: "The desktop's image cannot be pulled (ImagePullBackOff).", Stuck: true}},
		"it crashes": {crashed, "n",
			Progress{Reason: v1alpha1.ReasonCrashLoop, Detail: "exit code 3. no display",
				Message: "The desktop ends right after its start (CrashLoopBackOff): exit code 3. no display", Stuck: true}},
		"it takes too much memory": {tooBig, "n",
			Progress{Reason: v1alpha1.ReasonCrashLoop, Stuck: true,
				Detail: "it took more memory than its limit. Raise resources.defaultMemory of the template, or resources.memory of the session.",
				Message: "The desktop ends right after its start (CrashLoopBackOff): it took more memory than its limit. " +
					"Raise resources.defaultMemory of the template, or resources.memory of the session."}},
		"a Secret is missing": {kept("CreateContainerConfigError", `secret "x" not found`), "n",
			Progress{Reason: v1alpha1.ReasonContainerFailed, Detail: `secret "x" not found`,
				Message: `The desktop's container cannot be configured (CreateContainerConfigError): secret "x" not found`, Stuck: true}},
		"CPU and memory are short": {pending("0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient memory."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForResource, Resource: "memory", Detail: "0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.",
				Message: "Waiting for memory: 0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.", Stuck: true}},
		"disk is short": {pending("0/1 nodes are available: 1 Insufficient ephemeral-storage."), "",
			Progress{Reason: v1alpha1.ReasonWaitingForResource, Resource: "ephemeral-storage", Detail: "0/1 nodes are available: 1 Insufficient ephemeral-storage.",
				Message: "Waiting for ephemeral-storage: 0/1 nodes are available: 1 Insufficient ephemeral-storage.", Stuck: true}},
		"the image is pulled": {pulling, "n",
			Progress{Reason: v1alpha1.ReasonPullingImage, Image: "desktop:1", Message: "Pulling the desktop's image."}},
		"it is prepared": {kept("ContainerCreating", ""), "n",
			Progress{Reason: v1alpha1.ReasonPreparing,
				Message: "Preparing the desktop's image and volumes on its node."}},
		"a node is looked for": {corev1.PodStatus{Phase: corev1.PodPending}, "",
			Progress{Reason: v1alpha1.ReasonScheduling,
				Message: "Looking for a node for the desktop."}},
		"it starts": {corev1.PodStatus{Phase: corev1.PodRunning}, "n",
			Progress{Reason: v1alpha1.ReasonStarting,
				Message: "The desktop's programs are starting."}},
		"it was evicted": {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on memory."}, "n",
			Progress{Reason: v1alpha1.ReasonPodEnded, Detail: "The node was low on memory.",
				Message: "The desktop's pod has ended (Evicted): The node was low on memory."}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Status: c.status, Spec: corev1.PodSpec{NodeName: c.node, Containers: []corev1.Container{{
				Name: "desktop", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}},
			}}}}
			assert.Equal(t, c.want, podProgress(pod))
		})
	}
}

func TestADesktopWhoseAgentCannotStartIsReadyAllTheSame(t *testing.T) {
	pod := func(desktop, proxy bool, agent corev1.ContainerState) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{Phase: corev1.PodPending}}
		for _, c := range []corev1.ContainerStatus{{Name: "desktop", Ready: desktop}, {Name: "vdi-agent", State: agent}, {Name: "queue-proxy", Ready: proxy}} {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c.Name})
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, c)
		}
		return p
	}
	noImage := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	assert.True(t, (Observation{Pod: pod(true, true, noImage)}).Ready(), "not ready though only its agent is missing")
	assert.False(t, (Observation{Pod: pod(true, false, noImage)}).Ready(), "ready though its proxy is not")
	got := podProgress(pod(false, false, noImage))
	require.False(t, got.Stuck)
	assert.Equal(t, v1alpha1.ReasonPreparing, got.Reason, "have %+v, want that the agent is no obstacle", got)
	bare := pod(true, true, noImage)
	bare.Spec.Containers = append(bare.Spec.Containers, corev1.Container{Name: "helper"})
	assert.False(t, (Observation{Pod: bare}).Ready(), "ready though nothing is known of one of its containers")
}
