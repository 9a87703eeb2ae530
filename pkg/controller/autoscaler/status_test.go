package autoscaler

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	"knative.dev/pkg/apis"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

func sks() *netv1alpha1.ServerlessService {
	s := &netv1alpha1.ServerlessService{}
	s.Status.InitializeConditions()
	s.Status.ServiceName, s.Status.PrivateServiceName = "a", "a-private"
	return s
}

func deployment(replicas, ready int32) *appsv1.Deployment {
	return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas}, Status: appsv1.DeploymentStatus{ReadyReplicas: ready}}
}

func TestThePodAutoscalersConditionsComeInKnativesOrder(t *testing.T) {
	const yes, no, unknown = corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown
	for _, c := range []struct {
		name                string
		sks                 *netv1alpha1.ServerlessService
		deployment          *appsv1.Deployment
		active, initialised corev1.ConditionStatus
		desired, actual     int32
	}{
		{"asleep", sks(), deployment(0, 0), no, yes, 0, 0},
		{"waking", sks(), deployment(1, 0), unknown, yes, 1, 0},
		{"awake", sks(), deployment(1, 1), yes, yes, 1, 1},
		{"stopping", sks(), deployment(0, 1), no, yes, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			pa := &autoscalingv1alpha1.PodAutoscaler{ObjectMeta: metav1.ObjectMeta{Generation: 7}}
			setStatus(pa, c.sks, c.deployment)
			for kind, want := range map[apis.ConditionType]corev1.ConditionStatus{
				autoscalingv1alpha1.PodAutoscalerConditionActive:                 c.active,
				autoscalingv1alpha1.PodAutoscalerConditionScaleTargetInitialized: c.initialised,
			} {
				assert.Equal(t, want, pa.Status.GetCondition(kind).Status, kind)
			}
			require.Equal(t, c.desired, pa.Status.GetDesiredScale())
			require.Equal(t, c.actual, pa.Status.GetActualScale())
			assert.EqualValues(t, 7, pa.Status.ObservedGeneration, "status %+v", pa.Status)
			revision := &servingv1.Revision{}
			revision.Status.InitializeConditions()
			revision.Status.PropagateAutoscalerStatus(&pa.Status)
			assert.False(t, revision.Status.GetCondition(servingv1.RevisionConditionResourcesAvailable).IsFalse(),
				"Knative takes the revision for failed")
			assert.False(t, c.initialised == yes && !revision.Status.GetCondition(servingv1.RevisionConditionReady).IsTrue(),
				"Knative does not take the revision for ready")
		})
	}
}

func TestAnInitialisedRevisionStaysInitialised(t *testing.T) {
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	setStatus(pa, sks(), deployment(0, 0))
	setStatus(pa, &netv1alpha1.ServerlessService{}, nil)
	assert.True(t, pa.Status.IsScaleTargetInitialized(), "no longer initialised")
}
