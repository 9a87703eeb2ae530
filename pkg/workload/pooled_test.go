package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// The answer to the claim was lost, or another operator made it, and the cache is behind: nothing
// is made beside the claimed pod.
func TestAClaimThatIsNotRememberedMakesNoSecondDesktop(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, v1alpha1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	s := session()
	pod := poolPod(t, homeless(), s)
	pod.Name, pod.Labels = "vdi-pool-1", Labels(s)
	require.NoError(t, controllerutil.SetControllerReference(s, pod, scheme))
	behind, truth := fake.NewClientBuilder().WithScheme(scheme).Build(), fake.NewClientBuilder().WithScheme(scheme).WithObjects(pod).Build()
	inner := &kind{}
	p := &Pooled{client: behind, api: truth, inner: inner}

	runs, err := p.Runs(t.Context(), s)
	require.NoError(t, err)
	require.True(t, runs)
	cfg := config.Default()
	cfg.Agent.Enabled, cfg.Agent.Image = true, "agent:1"
	shape, err := Build(cfg, homeless(), s, time.Minute)
	require.NoError(t, err)
	_, err = p.Apply(t.Context(), s, shape, is(true))
	require.NoError(t, err)
	assert.Equal(t, 0, inner.applied, "workloads beside the claimed pod")
}
