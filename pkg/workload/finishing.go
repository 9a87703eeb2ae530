package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// finishing finds the pod, of any session, that has the home of this pod spec mounted, of
// which there is none yet; nil without one, or where the spec has no home. Such a pod ends,
// whether Kubernetes has begun to delete it or will in a moment. A desktop that starts beside
// it would write to the files that it is just saving. A pod of a lost node comes first.
func finishing(ctx context.Context, c client.Reader, namespace string, spec *corev1.PodSpec) (*corev1.Pod, error) {
	home := homeOf(spec)
	users, err := homeUsers(ctx, c, namespace, home)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(users, byName)
	if lost := slices.IndexFunc(users, pods.NodeLost); lost >= 0 {
		shared, err := isShared(ctx, c, namespace, home)
		if err != nil || !shared {
			return users[lost].DeepCopy(), err
		}
		users = slices.DeleteFunc(users, pods.NodeLost)
	}
	if len(users) == 0 {
		return nil, nil
	}
	return users[0].DeepCopy(), nil
}

// waitsFor finds the pod for whose end a desktop at zero waits before it starts; nil without one.
func waitsFor(ctx context.Context, c client.Reader, d *appsv1.Deployment) (*corev1.Pod, error) {
	pod, err := finishing(ctx, c, d.Namespace, &d.Spec.Template.Spec)
	if err != nil || pod != nil {
		return pod, err
	}
	return leaving(ctx, c, d) // of a template that had no home, or another one
}

// leaving finds the pod of a desktop at zero that Kubernetes has not begun to delete: it will,
// even where the desktop is to run again by then. Whoever was let in would lose it.
func leaving(ctx context.Context, c client.Reader, d *appsv1.Deployment) (*corev1.Pod, error) {
	list := &corev1.PodList{}
	session := d.Spec.Template.Labels[v1alpha1.LabelSession]
	if err := c.List(ctx, list, client.InNamespace(d.Namespace), client.MatchingLabels{v1alpha1.LabelSession: session}); err != nil {
		return nil, fmt.Errorf("list the pods of the session %s: %w", session, err)
	}
	var first *corev1.Pod
	for i := range list.Items {
		p := &list.Items[i]
		owner := metav1.GetControllerOf(p)
		if owner == nil || owner.Kind != "ReplicaSet" || p.DeletionTimestamp != nil || pods.Ended(p) {
			continue
		}
		if first == nil || byName(p, first) < 0 {
			first = p
		}
	}
	return first, nil
}

// byName orders pods: of several, always the same is spoken of.
func byName(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) }

// homeUsers are the pods that have a home mounted. They are the cache's own.
func homeUsers(ctx context.Context, c client.Reader, namespace, home string) ([]*corev1.Pod, error) {
	if home == "" {
		return nil, nil
	}
	list := &corev1.PodList{}
	err := c.List(ctx, list, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelSession}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list the pods that may have the home %s: %w", home, err)
	}
	var users []*corev1.Pod
	for i := range list.Items {
		if p := &list.Items[i]; !pods.Ended(p) && homeOf(&p.Spec) == home {
			users = append(users, p)
		}
	}
	return users, nil
}

// homeOf is the claim of a pod's home; empty without one.
func homeOf(spec *corev1.PodSpec) string {
	for _, v := range spec.Volumes {
		if v.Name == volumeHome && v.PersistentVolumeClaim != nil {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// atZero completes what is observed of a desktop whose deployment has not been scaled up. While it
// starts, the pod that is there is the last session's, and ends: unless a warm pool gave it.
func atZero(ctx context.Context, c client.Client, s *v1alpha1.VDISession, d *appsv1.Deployment, o Observation) (Observation, error) {
	if s.Status.StartTime == nil || o.Pod != nil && (s.Status.ReadyTime != nil || Claimed(s, o.Pod)) {
		return o, nil
	}
	pod, err := waitsFor(ctx, c, d)
	if err == nil && pod == nil && unsettled(d) && (refusedPod(d) != nil || d.Status.Replicas > 0) { // else it is a matter of moments
		o.Pod, o.Progress = nil, unsettledProgress(d)
	}
	if err != nil || pod == nil {
		return o, err
	}
	o.Pod, o.Progress = nil, finishingProgress(pod)
	if pods.NodeLost(pod) && homeOf(&pod.Spec) != "" {
		o.Progress, err = homeLost(ctx, c, pod)
	}
	return o, err
}

// OverdueAfter is how long after its Until a Progress is taken for one that does not pass by
// itself. Kubelet may kill a pod some seconds late, and clocks differ.
const OverdueAfter = time.Minute

// At is the progress as it is at a time: one that has not passed by then says what to do. It
// changes next at the other time, which is zero for never.
func (p Progress) At(now time.Time) (Progress, time.Time) {
	if p.Until == nil || p.Overdue == "" {
		return p, time.Time{}
	}
	if next := p.Until.Add(OverdueAfter); now.Before(next) {
		return p, next
	}
	meaning := "The last use of the home does not end"
	if p.Reason == v1alpha1.ReasonNodeLost {
		meaning = nodeLost
	}
	p.Detail, p.Stuck = p.Overdue, true
	return p.say(meaning, ""), time.Time{}
}

// finishingProgress is that of a desktop that waits for the end of this pod, which has its home or
// was its last. A pod's time of deletion is when kubelet kills it.
func finishingProgress(p *corev1.Pod) Progress {
	progress := Progress{Reason: v1alpha1.ReasonHomeFinishing, Until: p.DeletionTimestamp, Detail: "pod " + p.Name}
	if p.DeletionTimestamp != nil {
		progress.Overdue = overdue(p)
		progress.Detail += fmt.Sprintf(", until %s at the latest", inUTC(p.DeletionTimestamp.Time))
	}
	if homeOf(&p.Spec) == "" {
		return progress.say("The desktop's last pod is ending", "")
	}
	return progress.say("The last use of the home is ending", "")
}

// unsettledProgress is that of a desktop that waits until Kubernetes tries its last start no longer.
func unsettledProgress(d *appsv1.Deployment) Progress {
	progress := Progress{Reason: v1alpha1.ReasonHomeFinishing, Detail: "deployment " + d.Name}
	if refused := refusedPod(d); refused != nil {
		progress.Detail += ": " + refused.Message
	}
	return progress.say("The desktop's last start is ending", "")
}

// overdue says of a pod that has not ended in time what to do.
func overdue(p *corev1.Pod) string {
	return fmt.Sprintf("pod %s was to end by %s. %s, as docs/troubleshooting.md#a-pod-that-does-not-end says.",
		p.Name, inUTC(p.DeletionTimestamp.Time), remedyOf(p))
}

func inUTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// remedyOf is what an administrator does for a pod that does not end.
func remedyOf(p *corev1.Pod) string {
	if len(p.Finalizers) > 0 {
		return fmt.Sprintf("It is kept by %s: an administrator has whoever set that take it away", strings.Join(p.Finalizers, " and "))
	}
	return fmt.Sprintf("Its node %s may be gone: an administrator makes sure that it is off and runs %s", p.Spec.NodeName, letGoOf(p.Spec.NodeName))
}

// Overdue says what to do for a pod of the session that should have ended by now; empty
// without one.
func Overdue(ctx context.Context, c client.Reader, s *v1alpha1.VDISession, now time.Time) (string, error) {
	return saidOf(ctx, c, s, func(p *corev1.Pod) string {
		if p.DeletionTimestamp == nil || now.Before(p.DeletionTimestamp.Add(OverdueAfter)) {
			return ""
		}
		return overdue(p)
	})
}

// saidOf is what say says first of the session's pods, in the order of their names.
func saidOf(ctx context.Context, c client.Reader, s *v1alpha1.VDISession, say func(*corev1.Pod) string) (string, error) {
	all, err := sessionPods(ctx, c, s)
	slices.SortFunc(all, byName)
	for _, p := range all {
		if said := say(p); said != "" {
			return said, err
		}
	}
	return "", err
}
