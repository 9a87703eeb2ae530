package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/workload"
)

func TestADeletedSessionSaysWhatToDoForAPodThatDoesNotEnd(t *testing.T) {
	s := newStage(t)
	s.remains = `pod "ada-1"`
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "ada-1", Labels: workload.Labels(s.session()),
		Finalizers: []string{"example.com/x"}}, Spec: corev1.PodSpec{NodeName: "n-1"}}
	require.NoError(t, s.r.Client.Create(t.Context(), pod))
	require.NoError(t, s.r.Client.Delete(t.Context(), pod))
	require.NoError(t, s.r.Client.Delete(t.Context(), s.session()))
	look := func(at time.Time) string {
		t.Helper()
		s.now = at
		result, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		require.NoError(t, err)
		require.Equal(t, cleanUpRetry, result.RequeueAfter)
		require.Equal(t, v1alpha1.PhaseTerminating, s.session().Status.Phase)
		return s.session().Status.Message
	}
	assert.Equal(t, `Waiting for pod "ada-1" to be gone.`, look(time.Now()))
	said := look(time.Now().Add(workload.OverdueAfter + time.Second))
	assert.Contains(t, said, `Waiting for pod "ada-1" to be gone: pod ada-1 was to end by `)
	assert.Contains(t, said, "It is kept by example.com/x")
}

func TestADeletedSessionsEndIsAuditedOnce(t *testing.T) {
	s := newStage(t)
	var lines bytes.Buffer
	s.r.Audit = audit.New(&lines, true)
	require.NoError(t, s.r.Client.Delete(t.Context(), s.session()))
	for range 2 {
		_, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		require.NoError(t, err)
	}
	assert.Regexp(t, `^{.*"event":"delete","via":"operator","session":"ada","namespace":"team","uid":"1-2-3","owner":"ada@example.com"}\n$`, lines.String())
}
