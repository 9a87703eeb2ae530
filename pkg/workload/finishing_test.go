package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestAPodThatDoesNotEndInTimeIsAnAdministrators(t *testing.T) {
	until := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	overdue := until.Add(OverdueAfter)
	const ending = "The last use of the home is ending: pod ada-1, until 2026-11-23 12:00:00 UTC at the latest"
	for name, c := range map[string]struct {
		at         time.Time
		finalizers []string
		undated    bool
		want       string
		stuck      bool
		next       time.Time
	}{
		"while it ends":          {at: until.Add(-time.Second), want: ending, next: overdue},
		"when it is a bit late":  {at: overdue.Add(-time.Second), want: ending, next: overdue},
		"before it is to end":    {at: overdue, undated: true, want: "The last use of the home is ending: pod ada-1"},
		"when its node is gone":  {at: overdue, stuck: true, want: "The last use of the home does not end: pod ada-1 was to end by 2026-11-23 12:00:00 UTC. Its node n-1 may be gone: an administrator makes sure that it is off and runs `kubectl vdi out-of-service n-1 --powered-off` (or `kubectl taint nodes n-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`), as docs/troubleshooting.md#a-pod-that-does-not-end says."},
		"hours later, the same":  {at: overdue.Add(5 * time.Hour), stuck: true, want: "The last use of the home does not end: pod ada-1 was to end by 2026-11-23 12:00:00 UTC. Its node n-1 may be gone: an administrator makes sure that it is off and runs `kubectl vdi out-of-service n-1 --powered-off` (or `kubectl taint nodes n-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`), as docs/troubleshooting.md#a-pod-that-does-not-end says."},
		"when a finalizer keeps": {at: overdue, finalizers: []string{"a.io/x", "b.io/y"}, stuck: true, want: "The last use of the home does not end: pod ada-1 was to end by 2026-11-23 12:00:00 UTC. It is kept by a.io/x and b.io/y: an administrator has whoever set that take it away, as docs/troubleshooting.md#a-pod-that-does-not-end says."},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "ada-1", Finalizers: c.finalizers}, Spec: corev1.PodSpec{NodeName: "n-1"}}
			if !c.undated {
				pod.DeletionTimestamp = &metav1.Time{Time: until}
			}
			got, next := finishingProgress(pod).At(c.at)
			assert.Equal(t, c.want, got.Message)
			assert.Equal(t, v1alpha1.ReasonHomeFinishing, got.Reason)
			assert.Equal(t, c.stuck, got.Stuck)
			assert.Equal(t, pod.DeletionTimestamp, got.Until)
			assert.Equal(t, c.next, next)
		})
	}
}
