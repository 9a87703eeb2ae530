package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

const (
	nameOurs    = "ours"
	nameKnative = "knative"
	nameFloor   = "floor"

	templateName = "bench-sessions"
	desktopPort  = 8080
)

// ours are sessions of a template like those in config/samples, with a home.
type ours struct {
	in *harness.Installation
}

func (o *ours) name() string { return nameOurs }

func (o *ours) make(ctx context.Context, i int) error {
	return o.in.Client.Create(ctx, &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(o), Name: numbered("desktop", i)},
		Spec:       v1alpha1.VDISessionSpec{User: numbered("person", i) + "@example.com", Template: templateName},
	})
}

func template(image string) *v1alpha1.VDITemplate {
	gpus := int32(0)
	return &v1alpha1.VDITemplate{
		ObjectMeta: metav1.ObjectMeta{Name: templateName},
		Spec: v1alpha1.VDITemplateSpec{
			DisplayName: "Linux desktop", Image: image,
			Env:       []corev1.EnvVar{{Name: "TZ", Value: "UTC"}, {Name: "SELKIES_ENCODER", Value: "x264enc"}, {Name: "SELKIES_ENABLE_RESIZE", Value: "true"}},
			Resources: v1alpha1.TemplateResources{DefaultGPU: &gpus},
		},
	}
}

func (o *ours) atZero(ctx context.Context, n int) error {
	var list v1alpha1.VDISessionList
	if err := o.in.Client.List(ctx, &list, client.InNamespace(namespaceOf(o))); err != nil {
		return err
	}
	asleep := 0
	for i := range list.Items {
		if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
			asleep++
		}
	}
	return all(asleep, n)
}

// floor is the least that has an address and can be scaled from zero.
type floor struct {
	in *harness.Installation
}

func (f *floor) name() string { return nameFloor }

func (f *floor) make(ctx context.Context, i int) error {
	zero, labels := int32(0), map[string]string{"app": numbered("floor", i)}
	at := metav1.ObjectMeta{Namespace: namespaceOf(f), Name: numbered("floor", i)}
	err := f.in.Client.Create(ctx, &appsv1.Deployment{ObjectMeta: at, Spec: appsv1.DeploymentSpec{
		Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: backend(f.in.BenchImage)},
	}})
	if err != nil {
		return err
	}
	return f.in.Client.Create(ctx, &corev1.Service{ObjectMeta: at, Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: desktopPort}}}})
}

func (f *floor) atZero(ctx context.Context, n int) error {
	var list appsv1.DeploymentList
	if err := f.in.Client.List(ctx, &list, client.InNamespace(namespaceOf(f))); err != nil {
		return err
	}
	seen := 0
	for i := range list.Items {
		if list.Items[i].Status.ObservedGeneration > 0 {
			seen++
		}
	}
	return all(seen, n)
}

// stock are Services of Knative's own autoscaler class, which nobody has asked for yet.
type stock struct {
	in *harness.Installation
}

func (s *stock) name() string { return nameKnative }

func (s *stock) make(ctx context.Context, i int) error {
	return s.in.Client.Create(ctx, harness.StockService(namespaceOf(s), numbered("stock", i), backend(s.in.BenchImage)))
}

func (s *stock) atZero(ctx context.Context, n int) error {
	var list servingv1.ServiceList
	if err := s.in.Client.List(ctx, &list, client.InNamespace(namespaceOf(s))); err != nil {
		return err
	}
	ready := 0
	for i := range list.Items {
		// There is no ingress for its Route here, so the Service as a whole is never ready.
		if list.Items[i].Status.GetCondition(servingv1.ServiceConditionConfigurationsReady).IsTrue() {
			ready++
		}
	}
	return all(ready, n)
}

// backend is the pod of the others.
func backend(image string) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "backend", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: desktopPort}},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("128Mi")}},
	}}}
}

func numbered(what string, i int) string { return fmt.Sprintf("%s-%05d", what, i) }

func all(have, want int) error {
	if have < want {
		return fmt.Errorf("%d of %d are", have, want)
	}
	return nil
}
