package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Kubernetes keeps an evicted pod for days; nothing of it shuts down any more.
func TestAPodThatHasFailedIsNoPodThatShutsDown(t *testing.T) {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada"}}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-1", Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
		Status: corev1.PodStatus{Phase: corev1.PodFailed}}
	o, err := ObservePods(t.Context(), fake.NewClientBuilder().WithObjects(p).Build(), s)
	require.NoError(t, err)
	assert.Zero(t, o.Pods)
}
