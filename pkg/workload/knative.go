package workload

import (
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"knative.dev/networking/pkg/apis/networking"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// ingressClassAnnotation chooses the ingress on a Service; Knative writes it on
	// the Ingress it makes.
	ingressClassAnnotation = "networking.knative.dev/ingress-class"

	// requestTimeoutSeconds becomes the pod's termination grace period (Knative
	// Serving v0.50.0, pkg/reconciler/revision/resources/deploy.go:309). Visitors
	// don't pass Knative's proxies, so it limits no connection.
	requestTimeoutSeconds = 60
)

// Knative runs a desktop as a Knative Service of this product's classes. The
// scale is the PodAutoscaler controller's; so Scale does nothing here.
type Knative struct {
	Client client.Client
	// API reads from the API server itself, for objects that are not the product's and
	// so are in no cache.
	API client.Reader
}

var _ Workload = (*Knative)(nil)

// Watched implements Workload.
func (k *Knative) Watched() []client.Object {
	return []client.Object{&servingv1.Service{}, &appsv1.Deployment{}, &corev1.Pod{}}
}

// Apply implements Workload.
func (k *Knative) Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live bool) (Delay, error) {
	desired, err := knativeService(shape)
	if err != nil {
		return Delay{}, err
	}
	return applied[*servingv1.Service]{
		what: "Knative Service", resource: servingv1.Resource("services"), live: live,
		change: func(existing, desired *servingv1.Service) { existing.Spec = desired.Spec },
	}.apply(ctx, k.Client, k.API, s, desired)
}

// Scale implements Workload.
func (k *Knative) Scale(context.Context, *v1alpha1.VDISession, bool) error { return nil }

// Observe implements Workload.
func (k *Knative) Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error) {
	o, err := observePods(ctx, k.Client, s)
	if err != nil {
		return o, err
	}
	service := &servingv1.Service{}
	if err := k.Client.Get(ctx, client.ObjectKeyFromObject(s), service); err != nil {
		return o, client.IgnoreNotFound(err)
	}
	o.Exists = metav1.IsControlledBy(service, s)
	revision := service.Status.LatestCreatedRevisionName
	if revision != "" {
		deployment := &appsv1.Deployment{}
		err := k.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: revision + "-deployment"}, deployment)
		if client.IgnoreNotFound(err) != nil {
			return o, err
		}
		o.Wakeable = err == nil
		if o.Wakeable && o.Pod == nil && Replicas(deployment) == 0 {
			if o.Progress, err = atZero(ctx, k.Client, s, deployment); err != nil {
				return o, err
			}
		}
	}
	if c := service.Status.GetCondition(servingv1.ServiceConditionConfigurationsReady); o.Pod == nil && !o.Wakeable && c.IsFalse() {
		o.Progress = Progress{Reason: v1alpha1.ReasonKnativeFailed, Detail: c.Message, Stuck: true}.
			say("Knative cannot start the desktop", c.Reason)
	}
	return o, nil
}

// Delete implements Workload. Where Knative's definitions are gone, so is the
// workload.
func (k *Knative) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	service := &servingv1.Service{}
	has, err := own(ctx, k.Client, s, service)
	switch {
	case err != nil && !meta.IsNoMatchError(err):
		return "", err
	case has:
		return fmt.Sprintf("Knative Service %q", s.Name), remove(ctx, k.Client, service)
	}
	// The Service's deployment outlives it by a moment and may still start a pod.
	if deployment, err := k.deployment(ctx, s); err != nil || deployment != "" {
		return deployment, err
	}
	return podOf(ctx, k.Client, s, anyPod)
}

// deployment names a deployment that Knative made for the session; empty without one.
func (k *Knative) deployment(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	deployments := &appsv1.DeploymentList{}
	if err := k.Client.List(ctx, deployments, client.InNamespace(s.Namespace),
		client.MatchingLabels{v1alpha1.LabelSession: s.Name}); err != nil {
		return "", err
	}
	for i := range deployments.Items {
		if ofRevision(&deployments.Items[i]) {
			return fmt.Sprintf("deployment %q", deployments.Items[i].Name), nil
		}
	}
	return "", nil
}

// ofRevision is whether Knative made an object, or its owner, for a revision.
func ofRevision(o client.Object) bool { return o.GetLabels()[serving.RevisionLabelKey] != "" }

// knativeService renders a shape. What it returns is hashed before the API server
// fills in defaults, so that a change is one of template, session or configuration.
func knativeService(shape Shape) (*servingv1.Service, error) {
	template := servingv1.RevisionTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels: maps.Clone(shape.Pod.Labels),
			Annotations: labels.Merge(shape.Pod.Annotations, map[string]string{
				autoscaling.ClassAnnotationKey:        v1alpha1.PodAutoscalerClass,
				autoscaling.InitialScaleAnnotationKey: "0",
				autoscaling.MaxScaleAnnotationKey:     "1",
				serving.ProgressDeadlineAnnotationKey: shape.progressDeadline().String(),
			}),
		},
		Spec: servingv1.RevisionSpec{
			PodSpec:              shape.Pod.Spec,
			ContainerConcurrency: new(int64(0)), // no limit
			TimeoutSeconds:       new(int64(requestTimeoutSeconds)),
		},
	}
	service := &servingv1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:        shape.Name,
			Namespace:   shape.Namespace,
			Labels:      maps.Clone(shape.Labels),
			Annotations: map[string]string{ingressClassAnnotation: v1alpha1.IngressClass},
		},
		Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: template}},
	}
	service.Labels[networking.VisibilityLabelKey] = serving.VisibilityClusterLocal
	return service, stamp(service)
}
