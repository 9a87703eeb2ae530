package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// FinishingRetry is when to try again after ErrFinishing: a pod's end brings an event only
	// to those whose session it is.
	FinishingRetry = time.Second
	// askAgainAfter is how long Kubernetes may take to settle a deployment at zero, before it is
	// asked to look again and after.
	askAgainAfter = 30 * time.Second
)

// ErrFinishing says that something ends before a start: a pod that has the desktop's home, or its
// own; or Kubernetes' attempts at one.
var ErrFinishing = errors.New("something has to end first")

// scaleDeployment sets a desktop's replicas by its scale, and does nothing where they are
// right or the deployment is gone; it returns whether it set them. While a pod that ends has
// the home, or is the desktop's own, or may still be made for its last start, the desktop stays
// at zero, with ErrFinishing.
func scaleDeployment(ctx context.Context, c client.Client, d *appsv1.Deployment, replicas int32) (scaled bool, err error) {
	if Replicas(d) == replicas {
		return false, nil
	}
	if replicas > 0 {
		pod, err := waitsFor(ctx, c, d)
		if err != nil {
			return false, err
		}
		if pod != nil {
			return false, fmt.Errorf("%w: pod %s", ErrFinishing, pod.Name)
		}
		if unsettled(d) {
			return false, fmt.Errorf("%w: the last start of deployment %s", ErrFinishing, d.Name)
		}
	}
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
	target := &appsv1.Deployment{ObjectMeta: d.ObjectMeta}
	err = c.SubResource("scale").Patch(ctx, target, patch, client.WithSubResourceBody(&autoscalingv1.Scale{}))
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("scale deployment %s to %d: %w", d.Name, replicas, err)
	}
	log.FromContext(ctx).Info("scaled desktop", "deployment", d.Name, "replicas", replicas)
	return true, nil
}

// start scales a desktop to one. Kubernetes is asked to look again at what it does not settle.
func start(ctx context.Context, c client.Client, s *v1alpha1.VDISession, d *appsv1.Deployment) (bool, error) {
	scaled, err := scaleDeployment(ctx, c, d, 1)
	if errors.Is(err, ErrFinishing) {
		askAgain(ctx, c, s, d, time.Now())
	}
	return scaled, err
}

// stop scales a sleeping desktop to zero, unless it has been woken meanwhile.
func stop(ctx context.Context, c client.Client, live Live, d *appsv1.Deployment) (bool, error) {
	if Replicas(d) == 0 {
		return false, nil
	}
	if live, err := live(ctx); err != nil || live {
		return false, err
	}
	return scaleDeployment(ctx, c, d, 0)
}

// stopped says that a deployment has no pods, and that its controllers make none any more: they
// have seen that there are to be none, and that of its ReplicaSet tries no longer what was refused.
func stopped(d *appsv1.Deployment) bool {
	return Replicas(d) == 0 && d.Status.Replicas == 0 && d.Status.ObservedGeneration >= d.Generation &&
		(refusedPod(d) == nil || d.Spec.Paused) // of a paused one, Kubernetes leaves the condition as it is
}

// unsettled says that Kubernetes may still make a pod for a deployment that is to have none. It
// would delete that pod again, and make another beside it where the desktop runs by then.
func unsettled(d *appsv1.Deployment) bool {
	return Replicas(d) == 0 && d.Status.ObservedGeneration > 0 && !stopped(d) && !withoutReplicaSet(d)
}

// withoutReplicaSet says that Kubernetes cannot make the ReplicaSet that would make the pod: it
// settles nothing until it can, and the next start or change may be what lets it.
func withoutReplicaSet(d *appsv1.Deployment) bool {
	c := conditionOf(d, appsv1.DeploymentProgressing, corev1.ConditionFalse)
	return c != nil && c.Reason == replicaSetCreateError
}

// replicaSetCreateError is FailedRSCreateReason of Kubernetes' pkg/controller/deployment/util.
const replicaSetCreateError = "ReplicaSetCreateError"

// askAgain has Kubernetes look again at a deployment that it has not settled for long, by a change
// that it acts on in no other way. Its controller gives a deployment up after some minutes of errors
// (v1.35.4, deployment_controller.go:59), and comes back to it for a change. What fails is tried
// with the next pass.
func askAgain(ctx context.Context, c client.Client, s *v1alpha1.VDISession, d *appsv1.Deployment, now time.Time) {
	since := cmp.Or(s.Status.StartTime, s.Status.SleepTime)
	asked, err := time.Parse(time.RFC3339, d.Annotations[v1alpha1.AnnotationAskedAgain])
	if !unsettled(d) || since == nil || now.Sub(since.Time).Abs() < askAgainAfter || err == nil && now.Sub(asked).Abs() < askAgainAfter {
		return
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"resourceVersion":%q,"annotations":{%q:%q}}}`,
		d.UID, d.ResourceVersion, v1alpha1.AnnotationAskedAgain, now.UTC().Format(time.RFC3339))
	target := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name}}
	err = c.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch))
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		log.FromContext(ctx).Info("Kubernetes was not asked again to settle a deployment", "deployment", d.Name, "error", err.Error())
	}
}

// refusedPod is the condition of a deployment whose pod the API server refuses; nil without one.
func refusedPod(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	return conditionOf(d, appsv1.DeploymentReplicaFailure, corev1.ConditionTrue)
}

// conditionOf is a deployment's condition of a type, if it has that status; nil without one.
func conditionOf(d *appsv1.Deployment, of appsv1.DeploymentConditionType, status corev1.ConditionStatus) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == of && c.Status == status {
			return c
		}
	}
	return nil
}

// Replicas is how many a deployment asks for; where it does not say, Kubernetes takes 1.
func Replicas(d *appsv1.Deployment) int32 { return ptr.Deref(d.Spec.Replicas, 1) }
