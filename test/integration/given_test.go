//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	patience = 15 * time.Second
	glance   = 50 * time.Millisecond
	// watchfulness is how long something must stay as it is.
	watchfulness = time.Second
)

// always watches that check keeps returning nil.
func always(t *testing.T, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(watchfulness); time.Now().Before(end); time.Sleep(glance) {
		require.NoError(t, check(), what)
	}
}

// awaitEvent waits for an Event of that reason about an object of that name; empty is any.
func awaitEvent(t *testing.T, namespace, about, reason string, says ...string) (found *eventsv1.Event) {
	t.Helper()
	eventually.NoError(t, "an Event "+reason, func() error {
		list := &eventsv1.EventList{}
		if err := api.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range list.Items {
			if e := &list.Items[i]; e.Reason == reason && (about == "" || e.Regarding.Name == about) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("%d Events, none of it", len(list.Items))
	})
	wantText(t, found.Note, says...)
	return found
}

// space makes a namespace of the test's own.
func space(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}
	require.NoError(t, api.Create(t.Context(), ns))
	return ns.Name
}

func newTemplate(name string) *v1alpha1.VDITemplate {
	return &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.VDITemplateSpec{Image: "dev.local/desktop:1"}}
}

func newSession(namespace, name, template string) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.VDISessionSpec{User: "ada@example.com", Template: template},
	}
}

// given creates a template named after the namespace, and a session of it.
func given(t *testing.T, namespace, name string) *v1alpha1.VDISession {
	t.Helper()
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), newTemplate(namespace))))
	s := newSession(namespace, name, namespace)
	require.NoError(t, api.Create(t.Context(), s))
	return s
}

func get(t *testing.T, s *v1alpha1.VDISession) *v1alpha1.VDISession {
	t.Helper()
	now := &v1alpha1.VDISession{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), now))
	return now
}

// awaitCondition waits until a condition has this status and reason.
func awaitCondition(t *testing.T, s *v1alpha1.VDISession, kind string, status metav1.ConditionStatus, reason string) *metav1.Condition {
	t.Helper()
	var c *metav1.Condition
	eventually.NoError(t, fmt.Sprintf("condition %s=%s (%s)", kind, status, reason), func() error {
		c = meta.FindStatusCondition(get(t, s).Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason {
			return fmt.Errorf("have %+v", c)
		}
		return nil
	})
	return c
}

func awaitPhase(t *testing.T, s *v1alpha1.VDISession, phase v1alpha1.Phase) *v1alpha1.VDISession {
	t.Helper()
	var now *v1alpha1.VDISession
	eventually.NoError(t, "phase "+string(phase), func() error {
		if now = get(t, s); now.Status.Phase != phase {
			return fmt.Errorf("phase %q, message %q", now.Status.Phase, now.Status.Message)
		}
		return nil
	})
	return now
}

// visit reports a visit as an activator does.
func visit(t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	now := time.Now().UTC().Format(metav1.RFC3339Micro)
	patch := fmt.Sprintf(`{"status":{"activity":{"lastWakeTime":%q,"lastConnectedTime":%q}}}`, now, now)
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// merge patches an object as somebody with kubectl does.
func merge(t *testing.T, o client.Object, patch string) {
	t.Helper()
	require.NoError(t, api.Patch(t.Context(), o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(patch))))
}

func patchSession(t *testing.T, s *v1alpha1.VDISession, patch string) error {
	t.Helper()
	return api.Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
}

func knativeService(t *testing.T, s *v1alpha1.VDISession) *servingv1.Service {
	t.Helper()
	service := &servingv1.Service{}
	eventually.NoError(t, "a Knative Service", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(s), service)
	})
	return service
}

// woken visits a session that sleeps, and does what Knative does then.
func woken(t *testing.T, s *v1alpha1.VDISession) *appsv1.Deployment {
	t.Helper()
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	visit(t, s)
	deployment := rollOut(t, s)
	eventually.NoError(t, "the deployment scaled up", hasScale(t, deployment, 1))
	return deployment
}

// stopped waits until a deployment is to have no pods, and does what Kubernetes does then.
func stopped(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	eventually.NoError(t, "the deployment scaled down", hasScale(t, d, 0))
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(d), d))
	patch := fmt.Sprintf(`{"status":{"observedGeneration":%d,"conditions":null}}`, d.Generation)
	require.NoError(t, api.Status().Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// rollOut does what Knative does for the newest generation of a Service: a deployment
// at zero, a PodAutoscaler, and the Service's status.
func rollOut(t *testing.T, s *v1alpha1.VDISession) *appsv1.Deployment {
	t.Helper()
	service := knativeService(t, s)
	revision := fmt.Sprintf("%s-%05d", s.Name, service.Generation)
	deployment, pa := revisionObjects(service, revision)
	require.NoError(t, api.Create(t.Context(), deployment))
	require.NoError(t, api.Create(t.Context(), pa))
	knativeCaughtUp(t, service, revision)
	return deployment
}

func knativeCaughtUp(t *testing.T, service *servingv1.Service, revision string) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"observedGeneration":%d,"latestCreatedRevisionName":%q,"conditions":[{"type":"ConfigurationsReady","status":"True"}]}}`,
		service.Generation, revision)
	require.NoError(t, api.Status().Patch(t.Context(), service.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
}

func revisionObjects(service *servingv1.Service, revision string) (*appsv1.Deployment, *autoscalingv1alpha1.PodAutoscaler) {
	labels := map[string]string{
		v1alpha1.LabelSession:    service.Name,
		serving.ServiceLabelKey:  service.Name,
		serving.RevisionLabelKey: revision,
	}
	zero := int32(0)
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: revision + "-deployment", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &zero,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "dev.local/desktop:1"}},
					Volumes: service.Spec.Template.Spec.Volumes},
			},
		},
	}
	pa := &autoscalingv1alpha1.PodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, Name: revision, Labels: labels,
			Annotations: map[string]string{autoscaling.ClassAnnotationKey: v1alpha1.PodAutoscalerClass},
		},
		Spec: autoscalingv1alpha1.PodAutoscalerSpec{
			ScaleTargetRef: corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment.Name},
			ProtocolType:   "http1",
		},
	}
	return deployment, pa
}

// anyNode is where pods are if that does not matter.
const anyNode = "node"

// startPod does what a ReplicaSet, the scheduler and kubelet do: a pod that is ready. An
// activator has reached it.
func startPod(t *testing.T, s *v1alpha1.VDISession) *corev1.Pod {
	t.Helper()
	return startPodOn(t, s, anyNode)
}

func startPodOn(t *testing.T, s *v1alpha1.VDISession, node string) *corev1.Pod {
	t.Helper()
	pod := startPodOf(t, s, node)
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType,
		fmt.Appendf(nil, `{"status":{"activity":{"lastReachedTime":%q}}}`, time.Now().UTC().Format(metav1.RFC3339Micro)))))
	return pod
}

// startPodOf is startPodOn without the activator.
func startPodOf(t *testing.T, s *v1alpha1.VDISession, node string) *corev1.Pod {
	t.Helper()
	noGrace, labels := int64(0), workload.Labels(s)
	service := &servingv1.Service{}
	err := api.Get(t.Context(), client.ObjectKeyFromObject(s), service)
	require.NoError(t, client.IgnoreNotFound(err))
	if err == nil { // Knative labels its pods.
		labels[serving.RevisionLabelKey] = fmt.Sprintf("%s-%05d", s.Name, service.Generation)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, GenerateName: s.Name + "-", Labels: labels},
		Spec: corev1.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: &noGrace,
			Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "dev.local/desktop:1"}},
			Volumes: []corev1.Volume{{Name: "home", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: workload.HomeName(s.Spec.User, s.Spec.Template)}}}},
		},
	}
	require.NoError(t, api.Create(t.Context(), pod))
	const patch = `{"status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True"}],` +
		`"containerStatuses":[{"name":"desktop","ready":true,"restartCount":0,"image":"","imageID":"","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}`
	require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(patch))))
	return pod
}

func scaleOf(ctx context.Context, d *appsv1.Deployment) (int32, error) {
	now := &appsv1.Deployment{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(d), now); err != nil {
		return 0, err
	}
	return *now.Spec.Replicas, nil
}

func hasScale(t *testing.T, d *appsv1.Deployment, want int32) func() error {
	return func() error {
		got, err := scaleOf(t.Context(), d)
		if err == nil && got != want {
			err = fmt.Errorf("%s has %d replicas, want %d", d.Name, got, want)
		}
		return err
	}
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		assert.Contains(t, text, part, "want %q in: %s", part, text)
	}
}
