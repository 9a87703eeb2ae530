package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// namePort is where in-cluster callers come, as with a Knative Service.
const namePort = 80

// nameOf is the Service that gives a session its name inside the cluster, and leads where a
// Knative Service's leads: to the activator, which wakes the desktop.
func nameOf(shape Shape) (*corev1.Service, error) {
	service := &corev1.Service{
		ObjectMeta: shape.meta(),
		Spec: corev1.ServiceSpec{
			Type:         corev1.ServiceTypeExternalName,
			ExternalName: shape.Activator,
			// What Knative writes, too: a name leads to no port, but tools read it.
			Ports: []corev1.ServicePort{{Name: "http", Port: namePort, TargetPort: intstr.FromInt32(namePort)}},
		},
	}
	return service, stamp(service, Shape{})
}

// applyName makes the Service. No desktop notices a changed one.
func applyName(ctx context.Context, c client.Client, api client.Reader, s *v1alpha1.VDISession, service *corev1.Service) (Delay, error) {
	return applied[*corev1.Service]{
		answers: &answers{}, // where it drifts, it is written again
		what:    "Service", resource: corev1.Resource("services"),
		change: func(existing, desired *corev1.Service) { existing.Spec = desired.Spec },
		spec:   func(s *corev1.Service) any { return s.Spec },
	}.apply(ctx, c, api, s, service)
}

// removeName deletes the Service.
func removeName(ctx context.Context, c client.Client, s *v1alpha1.VDISession) error {
	service := &corev1.Service{}
	has, err := own(ctx, c, s, service)
	if err != nil || !has {
		return err
	}
	return remove(ctx, c, service)
}
