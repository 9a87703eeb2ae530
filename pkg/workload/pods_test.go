package workload

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func waiting(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "desktop", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func unschedulable(message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
	}}}
}

func TestWhatAStartWaitsForIsSaidInWords(t *testing.T) {
	crashed := waiting("CrashLoopBackOff", "back-off 10s")
	crashed.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Message: "no display"}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		node   string
		want   Progress
	}{
		"no GPU is free": {unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), "",
			Progress{"Unschedulable", "Waiting for a GPU: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", true}},
		"the scheduler adds asides": {unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."), "",
			Progress{"Unschedulable", "Waiting for a GPU: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", true}},
		"no memory is free": {unschedulable("0/1 nodes are available: 1 Insufficient memory."), "",
			Progress{"Unschedulable", "Waiting for memory: 0/1 nodes are available: 1 Insufficient memory.", true}},
		"the volume is elsewhere": {unschedulable("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."), "",
			Progress{"Unschedulable", "Waiting for the home's volume: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", true}},
		"no node fits": {unschedulable("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."), "",
			Progress{"Unschedulable", "Waiting for a node: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", true}},
		"the image is not there": {waiting("ErrImagePull", "not found"), "n",
			Progress{"ErrImagePull", "The desktop's image cannot be pulled (ErrImagePull): not found", true}},
		"the image is waited for": {waiting("ImagePullBackOff", ""), "n",
			Progress{"ImagePullBackOff", "The desktop's image cannot be pulled (ImagePullBackOff).", true}},
		"it crashes": {crashed, "n",
			Progress{"CrashLoopBackOff", "The desktop ends right after its start (CrashLoopBackOff): exit code 3. no display", true}},
		"a Secret is missing": {waiting("CreateContainerConfigError", `secret "x" not found`), "n",
			Progress{"CreateContainerConfigError", `The desktop's container cannot be configured (CreateContainerConfigError): secret "x" not found`, true}},
		"it is prepared": {waiting("ContainerCreating", ""), "n",
			Progress{"Preparing", "Preparing the desktop's image and volumes on its node.", false}},
		"a node is looked for": {corev1.PodStatus{Phase: corev1.PodPending}, "",
			Progress{"Scheduling", "Looking for a node for the desktop.", false}},
		"it starts": {corev1.PodStatus{Phase: corev1.PodRunning}, "n",
			Progress{"Starting", "The desktop's programs are starting.", false}},
		"it was evicted": {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on memory."}, "n",
			Progress{"PodEnded", "The desktop's pod has ended (Evicted): The node was low on memory.", false}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Status: c.status, Spec: corev1.PodSpec{NodeName: c.node, Containers: []corev1.Container{{
				Name: "desktop", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}},
			}}}}
			if got := podProgress(pod); got != c.want {
				t.Errorf("have %+v\nwant %+v", got, c.want)
			}
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
	if p := pod(true, true, noImage); !(Observation{Pod: p}).Ready() {
		t.Error("not ready though only its agent is missing")
	}
	if p := pod(true, false, noImage); (Observation{Pod: p}).Ready() {
		t.Error("ready though its proxy is not")
	}
	if got := podProgress(pod(false, false, noImage)); got.Stuck || got.Reason != v1alpha1.ReasonPreparing {
		t.Errorf("have %+v, want that the agent is no obstacle", got)
	}
	bare := pod(true, true, noImage)
	bare.Spec.Containers = append(bare.Spec.Containers, corev1.Container{Name: "helper"})
	if (Observation{Pod: bare}).Ready() {
		t.Error("ready though nothing is known of one of its containers")
	}
}
