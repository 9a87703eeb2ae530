package session

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// explain says more of what a start waits for than the scheduler does: which claim lacks its
// volume, and whether any node could ever have as much as the desktop asks for.
func (p *pass) explain(ctx context.Context) error {
	switch progress := &p.observed.Progress; progress.Reason {
	case v1alpha1.ReasonWaitingForVolume:
		return p.explainVolume(ctx, progress)
	case v1alpha1.ReasonWaitingForGPU, v1alpha1.ReasonWaitingForResource:
		p.explainSize(ctx, progress)
	}
	return nil
}

func (p *pass) explainVolume(ctx context.Context, progress *workload.Progress) error {
	claim, key := &corev1.PersistentVolumeClaim{}, types.NamespacedName{Namespace: p.session.Namespace,
		Name: workload.HomeName(p.session.Spec.User, p.session.Spec.Template)}
	if err := p.Client.Get(ctx, key, claim); err != nil || !workload.Unbound(claim) {
		return client.IgnoreNotFound(err)
	}
	class := ptr.Deref(claim.Spec.StorageClassName, "")
	switch {
	case class == "":
		*progress = progress.Because(v1alpha1.ReasonWaitingForVolume, "Waiting for the home's volume", fmt.Sprintf(
			"PersistentVolumeClaim %q has no StorageClass. Set persistence.storageClassName of template %q, or make a StorageClass the cluster's default.",
			claim.Name, p.session.Spec.Template))
	case p.classMissing(ctx, class):
		*progress = progress.Because(v1alpha1.ReasonStorageClassMissing, "Waiting for the home's volume", fmt.Sprintf(
			"PersistentVolumeClaim %q asks for StorageClass %q, which does not exist. Correct persistence.storageClassName of template %q, "+
				"and the claim is made anew; or make that StorageClass.", claim.Name, class, p.session.Spec.Template))
	default:
		*progress = progress.Because(v1alpha1.ReasonWaitingForVolume, "Waiting for the home's volume", fmt.Sprintf(
			"PersistentVolumeClaim %q of StorageClass %q has none yet: kubectl describe pvc says why. %s", claim.Name, class, progress.Detail))
	}
	return nil
}

// classMissing is whether a StorageClass is known not to exist. Without the right to read
// classes nothing is known.
func (p *pass) classMissing(ctx context.Context, name string) bool {
	return p.API != nil && apierrors.IsNotFound(p.API.Get(ctx, types.NamespacedName{Name: name}, &storagev1.StorageClass{}))
}

// explainSize says so where no node has as much as the desktop asks for, however empty. A node
// that is larger may be on its way, so the start goes on.
func (p *pass) explainSize(ctx context.Context, progress *workload.Progress) {
	if p.observed.Pod == nil || p.API == nil {
		return
	}
	asked := asks(p.observed.Pod, corev1.ResourceName(progress.Resource))
	largest, known := p.nodes.largest(ctx, p.API, p.now, corev1.ResourceName(progress.Resource))
	if !known || asked.Cmp(largest) <= 0 {
		return
	}
	p.returnAt(p.now.Add(nodesLookedAt)) // a node, or what it offers, may be newer than the list
	*progress = progress.Because(v1alpha1.ReasonNoNodeLargeEnough, "No node of the cluster is large enough", fmt.Sprintf(
		"the desktop asks for %s of %s, and the largest node has %s. Ask for less in spec.resources of the session or its template; "+
			"otherwise it waits for a larger node. %s", asked.String(), progress.Resource, largest.String(), progress.Detail))
}

// asks is how much of a resource a pod's containers request together.
func asks(pod *corev1.Pod, name corev1.ResourceName) (sum resource.Quantity) {
	for _, c := range pod.Spec.Containers {
		requested := c.Resources.Requests[name]
		sum.Add(requested)
	}
	return sum
}

func scheduled(pod *corev1.Pod) bool { return pod != nil && pod.Spec.NodeName != "" }
