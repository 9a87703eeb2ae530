package workload

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

	// placeholderRetry is when to look again whether Knative's Service of a session's name is
	// gone, which brings no event.
	placeholderRetry = 3 * time.Second
)

// Knative runs a desktop as a Knative Service of this product's classes, which begins at zero.
// The Service gives the session its name inside the cluster; while there is none, a plain one
// of the same name does.
type Knative struct {
	Client client.Client
	// API reads from the API server itself, for objects that are not the product's and
	// so are in no cache.
	API client.Reader
	// written is the generation of each session's Knative Service as it was written last, by
	// the session's UID.
	written sync.Map
	// asked is what the API server was asked about drift.
	asked answers
}

var _ Workload = (*Knative)(nil)

// Watched implements Workload.
func (k *Knative) Watched() []client.Object {
	return []client.Object{&servingv1.Service{}, &corev1.Service{}, &appsv1.Deployment{}, &corev1.Pod{}}
}

// services is how a session's Knative Service is applied. What was written is remembered: the
// cache is behind.
func (k *Knative) services(s *v1alpha1.VDISession, live Live) applied[*servingv1.Service] {
	return applied[*servingv1.Service]{
		answers: &k.asked,
		wrote:   func(written *servingv1.Service) { k.written.Store(s.UID, written.Generation) },
		what:    "Knative Service", resource: servingv1.Resource("services"), live: live,
		change: func(existing, desired *servingv1.Service) { existing.Spec = desired.Spec },
		spec:   func(s *servingv1.Service) any { return rounded(s.Spec.Template.Spec.PodSpec) },
	}
}

// Apply implements Workload.
func (k *Knative) Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live Live) (Delay, error) {
	desired, err := knativeService(shape)
	if err != nil {
		return Delay{}, err
	}
	has, err := own(ctx, k.Client, s, &servingv1.Service{})
	if err != nil {
		return Delay{}, err
	}
	if !has {
		if delay, err := k.makeRoom(ctx, s); err != nil || !delay.None() {
			return delay, err
		}
	}
	return k.services(s, live).apply(ctx, k.Client, k.API, s, desired)
}

// makeRoom takes away what has the name of the Knative Service that is to be made, or will have
// that of its revision: one that is still to be collected.
func (k *Knative) makeRoom(ctx context.Context, s *v1alpha1.VDISession) (Delay, error) {
	former, err := k.deployment(ctx, s)
	if err != nil {
		return Delay{}, err
	}
	if former != "" {
		return Delay{Reason: v1alpha1.ReasonPreparing, Message: former + " is being deleted; a new one is made when it is gone.", Again: pollEvery}, nil
	}
	return Delay{}, removeName(ctx, k.Client, s)
}

// Rest implements Workload.
func (k *Knative) Rest(ctx context.Context, s *v1alpha1.VDISession, shape Shape, keep bool, may func() bool) (Rested, error) {
	desired, err := knativeService(shape)
	if err != nil {
		return Rested{}, err
	}
	revisions, err := k.revisions(ctx, k.Client, s)
	if err != nil {
		return Rested{}, err
	}
	still := allStopped(revisions, "")
	rested, err := k.services(s, nil).rest(ctx, k.Client, s, desired, keep, func() bool { return still && may() })
	rested.Stopped = still
	if err != nil || rested.Left {
		return rested, err
	}
	k.written.Delete(s.UID)
	service, err := nameOf(shape)
	if err != nil {
		return Rested{}, err
	}
	has, err := own(ctx, k.Client, s, &corev1.Service{})
	if err != nil {
		return Rested{}, err
	}
	if !has {
		// What Knative has made of its Service outlives that by a moment, and has the name.
		if placeholder, err := placeholder(ctx, k.API, s); err != nil || placeholder != "" {
			return Rested{Again: placeholderRetry, Stopped: still}, err
		}
	}
	waits, err := applyName(ctx, k.Client, k.API, s, service)
	if apierrors.IsForbidden(err) {
		waits, err = k.foreign(ctx, s, err)
	}
	return Rested{Again: waits.Again, Stopped: still}, err
}

// foreign is why a session's name was refused: a Knative Service of somebody else may have it.
func (k *Knative) foreign(ctx context.Context, s *v1alpha1.VDISession, refused error) (Delay, error) {
	service := &servingv1.Service{}
	err := k.API.Get(ctx, client.ObjectKeyFromObject(s), service)
	if err == nil && !metav1.IsControlledBy(service, s) {
		return k.services(s, nil).foreign(ctx, k.Client, k.API, s, service)
	}
	return Delay{}, cmp.Or(client.IgnoreNotFound(err), refused)
}

// Observe implements Workload.
func (k *Knative) Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error) {
	o, err := ObservePods(ctx, k.Client, s)
	if err != nil {
		return o, err
	}
	service := &servingv1.Service{}
	if err := k.Client.Get(ctx, client.ObjectKeyFromObject(s), service); err != nil {
		return o, client.IgnoreNotFound(err)
	}
	o.Exists = metav1.IsControlledBy(service, s)
	revisions, err := k.revisions(ctx, k.Client, s)
	if err != nil {
		return o, err
	}
	switch d, newest := running(revisions), revisions[newestRevision(service)]; {
	case d == nil && newest != nil:
		return atZero(ctx, k.Client, s, newest, o)
	case o.Pod != nil:
		return o, nil
	case d != nil:
		o.Progress = noPod(d)
		return o, nil
	}
	if c := service.Status.GetCondition(servingv1.ServiceConditionConfigurationsReady); c.IsFalse() {
		o.Progress = Progress{Reason: v1alpha1.ReasonKnativeFailed, Detail: c.Message, Stuck: true}.
			say("Knative cannot start the desktop", c.Reason)
	}
	return o, nil
}

// Delete implements Workload. Where Knative's definitions are gone, so is the
// workload.
func (k *Knative) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	if err := removeName(ctx, k.Client, s); err != nil {
		return "", err
	}
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
	pod, err := podOf(ctx, k.Client, s, lasts)
	if err == nil && pod == "" {
		k.written.Delete(s.UID)
		k.asked.Delete(s.UID)
	}
	return pod, err
}

// deployment names a deployment that Knative made for the session; empty without one.
func (k *Knative) deployment(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	revisions, err := k.revisions(ctx, k.Client, s)
	for _, d := range revisions {
		return fmt.Sprintf("deployment %q", d.Name), err
	}
	return "", err
}

// ofRevision is whether Knative made an object, or its owner, for a revision.
func ofRevision(o client.Object) bool { return o.GetLabels()[serving.RevisionLabelKey] != "" }

// sidecar is what Knative's proxy beside a desktop gets, where a podTemplate says nothing else:
// it only probes, as visitors do not come through it. Without limits a quota on limits refuses
// the pod. The request of CPU is Knative's own (serving v0.50.0, pkg/deployment/config.go).
var sidecar = map[string]string{
	serving.QueueSidecarCPUResourceRequestAnnotationKey:    "25m",
	serving.QueueSidecarCPUResourceLimitAnnotationKey:      "500m",
	serving.QueueSidecarMemoryResourceRequestAnnotationKey: "32Mi",
	serving.QueueSidecarMemoryResourceLimitAnnotationKey:   "256Mi",
}

// knativeService renders a shape. What it returns is hashed before the API server
// fills in defaults, so that a change is one of template, session or configuration.
func knativeService(shape Shape) (*servingv1.Service, error) {
	template := servingv1.RevisionTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels: maps.Clone(shape.Pod.Labels),
			Annotations: labels.Merge(labels.Merge(sidecar, shape.Pod.Annotations), map[string]string{
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
		ObjectMeta: shape.meta(),
		Spec:       servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: template}},
	}
	service.Annotations = map[string]string{ingressClassAnnotation: v1alpha1.IngressClass}
	service.Labels[networking.VisibilityLabelKey] = serving.VisibilityClusterLocal
	return service, stamp(service, shape)
}
