package autoscaler

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// noTraffic is the reason that Knative's own autoscaler gives for a scale of zero.
const noTraffic = "NoTraffic"

// setStatus fills in what Knative reads of a PodAutoscaler.
//
// The order of its conditions matters to Knative: Active stays Unknown until the
// revision's Service has a name, then ScaleTargetInitialized becomes True, and only
// then may Active become False; otherwise the revision fails with "Initial scale was
// never achieved" (serving v0.50.0, revision_lifecycle.go:231). deployment is nil
// where it does not exist.
func setStatus(pa *autoscalingv1alpha1.PodAutoscaler, sks *netv1alpha1.ServerlessService, deployment *appsv1.Deployment) {
	st := &pa.Status
	st.InitializeConditions()
	st.ObservedGeneration = pa.Generation

	ready, want := int32(0), int32(0)
	if deployment != nil {
		ready, want = deployment.Status.ReadyReplicas, workload.Replicas(deployment)
	}
	st.DesiredScale, st.ActualScale = &want, &ready

	st.ServiceName, st.MetricsServiceName = sks.Status.ServiceName, sks.Status.PrivateServiceName
	if sks.IsReady() {
		st.MarkSKSReady()
	} else {
		st.MarkSKSNotReady(sks.Status.GetCondition(netv1alpha1.ServerlessServiceConditionReady).GetMessage())
	}
	st.MarkScaleTargetInitialized()
	switch {
	case want == 0:
		st.MarkInactive(noTraffic, "The desktop sleeps.")
	case ready > 0:
		st.MarkActive()
	default:
		st.MarkActivating(v1alpha1.ReasonWaking, "The desktop is waking.")
	}
}

// serverlessService is Knative's proxy of a revision: the PodAutoscaler's name,
// labels and target. It stays in Proxy mode, for nobody reaches a desktop this way.
func serverlessService(pa *autoscalingv1alpha1.PodAutoscaler) *netv1alpha1.ServerlessService {
	return &netv1alpha1.ServerlessService{
		ObjectMeta: metav1.ObjectMeta{
			Name:            pa.Name,
			Namespace:       pa.Namespace,
			Labels:          maps.Clone(pa.Labels),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pa, pa.GetGroupVersionKind())},
		},
		Spec: netv1alpha1.ServerlessServiceSpec{
			Mode:         netv1alpha1.SKSOperationModeProxy,
			ObjectRef:    pa.Spec.ScaleTargetRef,
			ProtocolType: pa.Spec.ProtocolType,
		},
	}
}
