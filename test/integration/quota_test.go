//go:build integration

package integration

import (
	"cmp"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

// The admission that counts does run here; the controller that counts anew does not.
func TestADesktopRunsUnderAQuotaOnRequestsAndLimits(t *testing.T) {
	namespace := space(t)
	hard := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory} {
		hard[name] = resource.MustParse("100Gi")
	}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "team"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}
	require.NoError(t, api.Create(t.Context(), quota))
	quota.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: corev1.ResourceList{}}
	for name := range hard {
		quota.Status.Used[name] = resource.MustParse("0")
	}
	require.NoError(t, api.Status().Update(t.Context(), quota))

	cfg, err := config.Parse([]byte(leastConfiguration + "agent: {enabled: true, image: 'dev.local/agent:1'}\n"))
	require.NoError(t, err)
	s := newSession(namespace, "ada", "desktop")
	shape, err := workload.Build(cfg, newTemplate("desktop"), s, 0)
	require.NoError(t, err)
	pod := func(name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: *shape.Pod.Spec.DeepCopy()}
	}
	require.Len(t, shape.Pod.Spec.Containers, 2, "the desktop and its agent")
	bare := pod("bare")
	bare.Spec.Containers[1].Resources.Limits = nil
	eventually.NoError(t, "the quota to count", func() error {
		err := api.Create(t.Context(), bare.DeepCopy())
		if err == nil {
			return cmp.Or(api.Delete(t.Context(), bare), errors.New("a pod without limits was made"))
		}
		require.ErrorContains(t, err, "must specify limits.cpu for: vdi-agent")
		return nil
	})
	require.NoError(t, api.Create(t.Context(), pod("ada")))
}
