package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// FinishingRetry is when to try again after ErrFinishing: the pod's end brings an event only
// to those whose session it is.
const FinishingRetry = time.Second

// ErrFinishing says what ends first: a pod that has the desktop's home, or its own; or Kubernetes'
// last attempt at one.
var ErrFinishing = errors.New("the desktop's last start has to end first")

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
		if starting(d) {
			return false, fmt.Errorf("%w: deployment %s is about to be at zero", ErrFinishing, d.Name)
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
	return Replicas(d) == 0 && d.Status.Replicas == 0 && d.Status.ObservedGeneration >= d.Generation && refusedPod(d) == nil
}

// starting says that Kubernetes may still make a pod for a deployment that is to have none. It
// would delete that pod again, and make another beside it where the desktop runs by then.
func starting(d *appsv1.Deployment) bool { return d.Status.ObservedGeneration > 0 && !stopped(d) }

// refusedPod is the condition of a deployment whose pod the API server refuses; nil without one.
func refusedPod(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// Replicas is how many a deployment asks for; where it does not say, Kubernetes takes 1.
func Replicas(d *appsv1.Deployment) int32 { return ptr.Deref(d.Spec.Replicas, 1) }
