package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// behind lets the API server have the session as change makes it, and objects, none of which
// the cache has.
func (s *stage) behind(change func(*v1alpha1.VDISessionStatus), objects ...client.Object) {
	latest := s.session()
	change(&latest.Status)
	s.r.API = fake.NewClientBuilder().WithScheme(s.r.Client.Scheme()).WithObjects(append(objects, latest)...).Build()
}

func podOf(node string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "ada-1", Labels: map[string]string{v1alpha1.LabelSession: key.Name}},
		Spec: corev1.PodSpec{NodeName: node}}
	if node == "" {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	}
	return pod
}

func TestWhatTheCacheDoesNotHaveIsLiveByTheAPIServer(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*v1alpha1.VDISessionStatus, time.Time)
		objects []client.Object
		live    bool
	}{
		"nothing":          {},
		"a pod":            {objects: []client.Object{podOf("node")}, live: true},
		"a pod in vain":    {objects: []client.Object{podOf("")}},
		"a recorded wake":  {change: func(st *v1alpha1.VDISessionStatus, at time.Time) { st.StartTime = &metav1.MicroTime{Time: at} }, live: true},
		"a start in vain":  {change: func(st *v1alpha1.VDISessionStatus, at time.Time) { st.StartTime = &metav1.MicroTime{Time: at} }, objects: []client.Object{podOf("")}},
		"a desktop in use": {change: inUse, objects: []client.Object{podOf("")}, live: true},
		// Kubelet says so up to a second after the desktop's agent.
		"a visitor": {change: func(st *v1alpha1.VDISessionStatus, at time.Time) {
			st.StartTime = &metav1.MicroTime{Time: at.Add(-time.Minute)}
			st.Activity.LastReachedTime = &metav1.MicroTime{Time: at}
		}, objects: []client.Object{podOf("")}, live: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.visit()
			s.behind(func(st *v1alpha1.VDISessionStatus) {
				if tc.change != nil {
					tc.change(st, s.now)
				}
			}, tc.objects...)
			s.look()
			require.NotEmpty(t, s.applied)
			assert.Equal(t, tc.live, s.applied[len(s.applied)-1])
		})
	}
}

func inUse(st *v1alpha1.VDISessionStatus, at time.Time) {
	st.StartTime, st.ReadyTime = &metav1.MicroTime{Time: at}, &metav1.MicroTime{Time: at}
}

// What a desktop runs on goes in its turn after its sleep.
func TestWhatSleepsByTheCacheOnlyIsNotTakenAway(t *testing.T) {
	s := newStage(t)
	s.rest = workload.Rested{Left: true}
	s.look()
	require.True(t, s.rested[len(s.rested)-1])
	s.behind(func(st *v1alpha1.VDISessionStatus) { inUse(st, s.now) }, podOf("node"))
	s.look()
	assert.False(t, s.rested[len(s.rested)-1], "it is taken away in use")
}
