package workload

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// nodeLost is what is said of a desktop whose node is lost.
const nodeLost = "The desktop's node is lost"

// letGoOf are the commands that say of a node that it is off, whereupon Kubernetes deletes its
// pods and lets go of their volumes.
func letGoOf(node string) string {
	return fmt.Sprintf("`kubectl vdi out-of-service %s --powered-off` (or `kubectl taint nodes %[1]s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`)", node)
}

// lostProgress is that of a desktop whose pod is on a lost node, and which Kubernetes has not
// given up yet.
func lostProgress(p *corev1.Pod) Progress {
	where := fmt.Sprintf("pod %s on node %s, which does not answer", p.Name, p.Spec.NodeName)
	progress := Progress{Reason: v1alpha1.ReasonNodeLost}
	at := pods.GivenUpAt(p)
	if at.IsZero() {
		progress.Detail = where + ". The pod tolerates that for ever: the desktop goes on when the node is back. If the node is off, an " +
			"administrator runs " + letGoOf(p.Spec.NodeName) + "."
		return progress.say(nodeLost, "")
	}
	progress.Until = &metav1.Time{Time: at}
	progress.Detail = fmt.Sprintf("%s. If it is not back by %s, Kubernetes deletes the pod, and the desktop starts on another node as soon "+
		"as its home is free.", where, inUTC(at))
	progress.Overdue = fmt.Sprintf("%s. Kubernetes was to delete the pod by %s, which it does not while most nodes do not answer. If the node "+
		"is off, an administrator runs %s.", where, inUTC(at), letGoOf(p.Spec.NodeName))
	return progress.say(nodeLost, "")
}

// homeLost is the progress of a desktop whose home is still mounted by a pod of a lost node:
// nobody can tell whether that still writes.
func homeLost(ctx context.Context, c client.Reader, p *corev1.Pod) (Progress, error) {
	home := homeOf(&p.Spec)
	claim, err := readHome(ctx, c, p.Namespace, home)
	if err != nil {
		return Progress{}, err
	}
	volume := ""
	if claim.Spec.VolumeName != "" {
		volume = fmt.Sprintf(" (PersistentVolume %s)", claim.Spec.VolumeName)
	}
	return Progress{Reason: v1alpha1.ReasonNodeLost, Stuck: true, Detail: fmt.Sprintf("pod %s on node %s, which does not answer, still has the "+
		"home: PersistentVolumeClaim %s%s. The desktop starts when the node is back or has been removed from the cluster. %s, as "+
		"docs/operations/nodes.md#when-a-node-is-lost says.", p.Name, p.Spec.NodeName, home, volume, lostRemedy(p))}.say(nodeLost, ""), nil
}

func lostRemedy(p *corev1.Pod) string {
	if len(p.Finalizers) > 0 {
		return remedyOf(p)
	}
	return "If the node is certainly off, an administrator runs " + letGoOf(p.Spec.NodeName)
}

// isShared says that a home can be mounted on several nodes at once: a pod of a lost node does
// not keep it from another.
func isShared(ctx context.Context, c client.Reader, namespace, home string) (bool, error) {
	claim, err := readHome(ctx, c, namespace, home)
	return err == nil && slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany), err
}

// readHome is a home's claim; an empty one where it is gone.
func readHome(ctx context.Context, c client.Reader, namespace, home string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: home}, claim); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read the home %s: %w", home, err)
	}
	return claim, nil
}

// giveWay stops a desktop that has not begun to run where a pod of a lost node still has its
// home, with ErrFinishing: Kubernetes makes another pod as soon as it gives one up, whatever
// becomes of the home. Of volumes that no driver attaches it would have both mounted. Whether it
// has begun, the API server itself says: a cache is late by the moment that a start takes.
func giveWay(ctx context.Context, c client.Client, live client.Reader, s *v1alpha1.VDISession, d *appsv1.Deployment) error {
	if s.Status.ReadyTime != nil || Replicas(d) == 0 {
		return nil
	}
	lost, err := finishing(ctx, c, d.Namespace, &d.Spec.Template.Spec)
	if err != nil || lost == nil || !abandoned(lost) {
		return err
	}
	all, err := sessionPods(ctx, live, s)
	if err != nil {
		return err
	}
	if p := current(all); p != nil && (pods.NodeLost(p) || begun(p)) {
		return nil
	}
	if _, err := scaleDeployment(ctx, c, d, 0); err != nil {
		return err
	}
	return fmt.Errorf("%w: pod %s of a lost node", ErrFinishing, lost.Name)
}

// begun says that the desktop's container runs or has run.
func begun(p *corev1.Pod) bool {
	status := desktopStatus(p)
	return status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil
}
