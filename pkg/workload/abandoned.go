package workload

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// abandoned says that Kubernetes has given a pod up and that its node is lost: it goes when
// the node is back, is removed or is said to be off, and nothing that anybody else does
// hastens it.
func abandoned(p *corev1.Pod) bool { return p.DeletionTimestamp != nil && pods.NodeLost(p) }

// lasts says that a pod is not abandoned.
func lasts(p *corev1.Pod) bool { return !abandoned(p) }

// onlyAbandoned says that the session has pods, and that all of them are abandoned.
func onlyAbandoned(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) (bool, error) {
	all, err := sessionPods(ctx, c, s)
	return len(all) > 0 && !slices.ContainsFunc(all, lasts), err
}

// Abandoned says of a session that goes, whose desktop is deleted, what stays of it on a lost
// node and what that keeps; empty for nothing.
func Abandoned(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) (string, error) {
	return saidOf(ctx, c, s, func(p *corev1.Pod) string {
		if !abandoned(p) {
			return ""
		}
		said := fmt.Sprintf("The session goes, and pod %s stays until its node %s is back, has been removed from the cluster or is said to be off: %s.",
			p.Name, p.Spec.NodeName, letGoOf(p.Spec.NodeName))
		if home := homeOf(&p.Spec); home != "" {
			said += fmt.Sprintf(" Until then no desktop starts with PersistentVolumeClaim %s, and %s keeps it from being deleted.", home, claimProtection)
		}
		return said
	})
}

// claimProtection is Kubernetes' finalizer of claims that a pod uses (v1.35,
// pkg/volume/util/finalizer.go).
const claimProtection = "kubernetes.io/pvc-protection"
