//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestAPodAutoscalerBecomesInitialisedOnlyWhenItsServicesHaveNames(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	deployment := woken(t, s)
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	key := types.NamespacedName{Namespace: ns, Name: deployment.Labels["serving.knative.dev/revision"]}
	sks := &netv1alpha1.ServerlessService{}
	eventually.NoError(t, "a ServerlessService", func() error { return api.Get(t.Context(), key, sks) })
	require.Equal(t, netv1alpha1.SKSOperationModeProxy, sks.Spec.Mode)
	assert.Equal(t, deployment.Name, sks.Spec.ObjectRef.Name, "ServerlessService %+v", sks.Spec)
	always(t, "Active stays Unknown", func() error {
		require.NoError(t, api.Get(t.Context(), key, pa))
		if pa.Status.IsInactive() || pa.Status.IsScaleTargetInitialized() {
			return fmt.Errorf("conditions %+v", pa.Status.Conditions)
		}
		return nil
	})
	require.NoError(t, api.Status().Patch(t.Context(), sks, client.RawPatch(types.MergePatchType,
		[]byte(`{"status":{"observedGeneration":1,"serviceName":"public","privateServiceName":"private","conditions":[{"type":"Ready","status":"True"}]}}`))))
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	eventually.NoError(t, "initialised and inactive", func() error {
		require.NoError(t, api.Get(t.Context(), key, pa))
		if !pa.Status.IsScaleTargetInitialized() || !pa.Status.IsInactive() || pa.Status.ServiceName != "public" || pa.Status.MetricsServiceName != "private" {
			return fmt.Errorf("status %+v", pa.Status)
		}
		return nil
	})
}

func TestWhatIsUnknownLeavesTheReplicasAlone(t *testing.T) {
	ns := space(t)
	// A revision whose session does not exist.
	service := &servingv1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "stranger"}}
	deployment, pa := revisionObjects(service, "stranger-00001")
	one := int32(1)
	deployment.Spec.Replicas = &one
	require.NoError(t, api.Create(t.Context(), deployment))
	require.NoError(t, api.Create(t.Context(), pa))
	eventually.NoError(t, "the PodAutoscaler is looked at", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(pa), &netv1alpha1.ServerlessService{})
	})
	always(t, "stays as it is", hasScale(t, deployment, 1))
}

func TestADesktopKeepsTheRevisionThatItWokeWithAndWhatOthersChangedGoesWithItsSleep(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	old := woken(t, s)
	pod := startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	merge(t, knativeService(t, s), `{"spec":{"template":{"spec":{"containers":[{"name":"desktop","image":"dev.local/theirs:1"}]}}}}`)
	newest := rollOut(t, s)
	c := awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	wantText(t, c.Message, "Somebody else has changed the Knative Service")
	always(t, "it goes on as it is", func() error { return errors.Join(hasScale(t, old, 1)(), hasScale(t, newest, 0)()) })
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	stopped(t, old)
	stopped(t, newest)
	require.NoError(t, api.Delete(t.Context(), pod))
	eventually.NoError(t, "their change goes", func() error { return absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}) })
}
