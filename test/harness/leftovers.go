package harness

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Leftovers names the objects in the cluster that belong to a session, its home's
// volume included.
func (in *Installation) Leftovers(ctx context.Context, s *v1alpha1.VDISession) ([]string, error) {
	var left []string
	lists := []client.ObjectList{
		&corev1.PodList{}, &corev1.SecretList{}, &corev1.ServiceList{}, &corev1.PersistentVolumeClaimList{}, &appsv1.DeploymentList{}, &appsv1.ReplicaSetList{},
		&servingv1.ServiceList{}, &servingv1.RevisionList{}, &servingv1.RouteList{}, &servingv1.ConfigurationList{},
	}
	for _, list := range lists {
		err := in.Client.List(ctx, list, client.InNamespace(s.Namespace))
		if meta.IsNoMatchError(err) && !in.Knative {
			continue // a cluster without Knative's definitions
		}
		if err != nil {
			return nil, err
		}
		err = meta.EachListItem(list, func(item runtime.Object) error {
			if o := item.(client.Object); belongs(o, s) {
				left = append(left, fmt.Sprintf("%T %s", o, o.GetName()))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var volumes corev1.PersistentVolumeList
	if err := in.Client.List(ctx, &volumes); err != nil {
		return nil, err
	}
	for i := range volumes.Items {
		if ref := volumes.Items[i].Spec.ClaimRef; ref != nil && ref.Namespace == s.Namespace {
			var claim corev1.PersistentVolumeClaim
			err := in.Client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &claim)
			if apierrors.IsNotFound(err) {
				left = append(left, "PersistentVolume "+volumes.Items[i].Name+" of a claim that is gone")
			}
		}
	}
	return left, nil
}

// Nothing returns an error that names what is left of a session, itself included.
func (in *Installation) Nothing(ctx context.Context, s *v1alpha1.VDISession) error {
	if err := in.Client.Get(ctx, client.ObjectKeyFromObject(s), &v1alpha1.VDISession{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the session is still there (%w)", err)
	}
	left, err := in.Leftovers(ctx, s)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left behind: %v", left)
	}
	return err
}

func belongs(o client.Object, s *v1alpha1.VDISession) bool {
	return o.GetLabels()[v1alpha1.LabelSession] == s.Name ||
		o.GetLabels()["serving.knative.dev/service"] == s.Name ||
		o.GetAnnotations()[v1alpha1.AnnotationHeldBy] == s.Name ||
		o.GetName() == s.Name
}
