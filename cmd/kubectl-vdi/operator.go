package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// absence says why nobody keeps a report of an installation's conditions current; empty where
// its operator runs. The report belongs to the operator's Deployment; that of a program which
// somebody runs by hand belongs to nobody, and is taken as it is.
func absence(ctx context.Context, c client.Client, report *corev1.ConfigMap) (string, error) {
	owner := ofKind(report.OwnerReferences, "Deployment")
	if owner == nil {
		return "", nil
	}
	key := types.NamespacedName{Namespace: report.Namespace, Name: owner.Name}
	d := &appsv1.Deployment{}
	err := c.Get(ctx, key, d)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("Deployment %s is gone: run helm upgrade --install", key), nil
	case err != nil:
		return "", err
	case d.Status.ReadyReplicas > 0:
		return "", nil
	}
	wanted := ptr.Deref(d.Spec.Replicas, 1)
	remedy := fmt.Sprintf("see kubectl -n %s describe deployment %s, and kubectl -n %s logs deployment/%s", key.Namespace, key.Name, key.Namespace, key.Name)
	if wanted == 0 {
		remedy = fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=1, or run helm upgrade", key.Namespace, key.Name)
	}
	return fmt.Sprintf("0 of %d replicas of Deployment %s are ready: %s", wanted, key, remedy), nil
}

func ofKind(owners []metav1.OwnerReference, kind string) *metav1.OwnerReference {
	for i := range owners {
		if owners[i].Kind == kind {
			return &owners[i]
		}
	}
	return nil
}
