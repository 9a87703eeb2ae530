package harness

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/networking/pkg/apis/networking"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
)

// StockAtZero waits until stock Knative has put a Service to zero with its own
// activator in the way, and says where that is: an IP address, which listens on port
// 80, and the host by which it knows the revision.
func (in *Installation) StockAtZero(ctx context.Context, service *servingv1.Service) (ip, host string, err error) {
	var public corev1.Service
	err = eventually.Wait(ctx, "stock service "+service.Name, func() error {
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		revision := service.Status.LatestReadyRevisionName
		if revision == "" {
			return errors.New("it is not ready yet")
		}
		if err := in.Client.Get(ctx, client.ObjectKey{Namespace: service.Namespace, Name: revision}, &public); err != nil {
			return err
		}
		// The endpoints of a revision at zero are the activator's.
		var slices discoveryv1.EndpointSliceList
		if err := in.Client.List(ctx, &slices, client.InNamespace(service.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: revision}); err != nil {
			return err
		}
		for i := range slices.Items {
			if len(slices.Items[i].Endpoints) > 0 {
				return nil
			}
		}
		return errors.New("its endpoint is not Knative's activator yet")
	})
	return public.Spec.ClusterIP, public.Name + "." + public.Namespace + ".svc.cluster.local", err
}

// StockService is one of Knative's own autoscaler class, which begins at zero and has one pod
// at most.
func StockService(namespace, name string, pod corev1.PodSpec) *servingv1.Service {
	return &servingv1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{networking.VisibilityLabelKey: serving.VisibilityClusterLocal}},
		Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: servingv1.RevisionTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{autoscaling.InitialScaleAnnotationKey: "0", autoscaling.MaxScaleAnnotationKey: "1"}},
			Spec:       servingv1.RevisionSpec{PodSpec: pod},
		}}},
	}
}
