package workload

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var home = corev1.Volume{Name: volumeHome, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "home"}}}

func TestADesktopWithoutAHomeWaitsForItsOwnPodToBeToldToEnd(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "VDISession"}, Status: v1alpha1.VDISessionStatus{StartTime: &metav1.MicroTime{}}}
	labels := map[string]string{v1alpha1.LabelSession: "ada"}
	atZeroNow := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada"},
		Spec: appsv1.DeploymentSpec{Replicas: new(int32(0)), Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}}}
	for name, c := range map[string]struct {
		kind  string
		phase corev1.PodPhase
		lost  bool
		ends  bool
		waits bool
	}{
		"of its deployment": {kind: "ReplicaSet", phase: corev1.PodRunning, waits: true},
		"of a lost node":    {kind: "ReplicaSet", phase: corev1.PodRunning, lost: true, waits: true},
		"that ends":         {kind: "ReplicaSet", ends: true},
		"that has ended":    {kind: "ReplicaSet", phase: corev1.PodSucceeded},
		"of a warm pool":    {kind: "VDISession"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-1", Labels: labels, Finalizers: []string{"a.io/x"},
				OwnerReferences: []metav1.OwnerReference{{Kind: c.kind, Name: "o", UID: types.UID(c.kind), Controller: new(true)}}}, Status: corev1.PodStatus{Phase: c.phase}}
			if c.ends {
				pod.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			}
			if c.lost {
				pod.Spec.NodeName = "n-1"
				pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}, {Type: corev1.ContainersReady, Status: corev1.ConditionTrue}}
			}
			cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pod, atZeroNow).Build()
			o, err := atZero(t.Context(), cluster, s, atZeroNow, Observation{Pod: pod})
			require.NoError(t, err)
			assert.Equal(t, c.waits, o.Progress.Reason == v1alpha1.ReasonHomeFinishing)
			assert.Equal(t, c.waits, o.Pod == nil, "it is the desktop")
			assert.NotContains(t, o.Progress.Message, "home")
			_, err = scaleDeployment(t.Context(), cluster, atZeroNow, 1)
			assert.Equal(t, c.waits, errors.Is(err, ErrFinishing), "%v", err)
		})
	}
}

// A start beside an end that Kubernetes has not seen would be two: the pod that it makes for the
// one before is deleted while the next is made.
func TestADesktopStartsWhenKubernetesHasSeenItsLastEnd(t *testing.T) {
	refused := []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue}}
	unmade := []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: replicaSetCreateError}}
	for name, c := range map[string]struct {
		status appsv1.DeploymentStatus
		paused bool
		waits  bool
	}{
		"not seen":                {status: appsv1.DeploymentStatus{ObservedGeneration: 1}, waits: true},
		"seen":                    {status: appsv1.DeploymentStatus{ObservedGeneration: 2}},
		"seen, with a pod yet":    {status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1}, waits: true},
		"seen, and tried again":   {status: appsv1.DeploymentStatus{ObservedGeneration: 2, Conditions: refused}, waits: true},
		"refused while paused":    {status: appsv1.DeploymentStatus{ObservedGeneration: 2, Conditions: refused}, paused: true},
		"without its ReplicaSet":  {status: appsv1.DeploymentStatus{ObservedGeneration: 1, Conditions: unmade}},
		"never run, and not seen": {},
	} {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: new(int32(0)), Paused: c.paused}, Status: c.status}
			cluster := scalable(t, d)
			scaled, err := scaleDeployment(t.Context(), cluster, d, 1)
			assert.Equal(t, c.waits, errors.Is(err, ErrFinishing), "%v", err)
			assert.Equal(t, !c.waits, scaled)
		})
	}
}

func TestKubernetesIsAskedAgainNowAndThen(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		asked   string
		waits   time.Duration
		settled bool
		changed bool
		again   bool
	}{
		"never":                {waits: time.Minute, again: true},
		"of a start just now":  {waits: time.Second},
		"of nobody's start":    {},
		"of what is settled":   {waits: time.Minute, settled: true},
		"a moment ago":         {waits: time.Minute, asked: "2026-12-01T11:59:31Z"},
		"a while ago":          {waits: time.Minute, asked: "2026-12-01T11:59:30Z", again: true},
		"by a clock far ahead": {waits: time.Minute, asked: "2027-12-01T12:00:00Z", again: true},
		"in no time at all":    {waits: time.Minute, asked: "x", again: true},
		"of what has changed":  {waits: time.Minute, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &v1alpha1.VDISession{}
			if c.waits > 0 {
				s.Status.StartTime = &metav1.MicroTime{Time: now.Add(-c.waits)}
			}
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "d", Generation: 2, Annotations: map[string]string{v1alpha1.AnnotationAskedAgain: c.asked}},
				Spec: appsv1.DeploymentSpec{Replicas: new(int32(0))}, Status: appsv1.DeploymentStatus{ObservedGeneration: 1}}
			if c.settled {
				d.Status.ObservedGeneration = 2
			}
			cluster := fake.NewClientBuilder().WithObjects(d).Build()
			require.NoError(t, cluster.Get(t.Context(), client.ObjectKeyFromObject(d), d))
			if c.changed {
				d.ResourceVersion = "1"
			}
			askAgain(t.Context(), cluster, s, d, now)
			require.NoError(t, cluster.Get(t.Context(), client.ObjectKeyFromObject(d), d))
			assert.Equal(t, c.again, d.Annotations[v1alpha1.AnnotationAskedAgain] == now.Format(time.RFC3339))
		})
	}
}

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
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "ada-1", Finalizers: c.finalizers}, Spec: corev1.PodSpec{NodeName: "n-1", Volumes: []corev1.Volume{home}}}
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
