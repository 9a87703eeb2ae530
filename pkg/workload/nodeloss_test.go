package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

var nodeLostAt = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// lostPod is a desktop's pod with a home, on a node that has not answered since nodeLostAt.
func lostPod(change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-1", Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
		Spec: corev1.PodSpec{NodeName: "n-1", Tolerations: tolerateNodeLoss(nil, config.Default().Desktops),
			Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop}, {Name: v1alpha1.ContainerAgent}},
			Volumes: []corev1.Volume{{Name: volumeHome, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "home"}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.ContainersReady, Status: corev1.ConditionTrue},
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(nodeLostAt)},
		}, ContainerStatuses: []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, Ready: true, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(nodeLostAt.Add(-time.Hour))}}}, {Name: v1alpha1.ContainerAgent, Ready: true}}},
	}
	change(p)
	return p
}

func deletedPod(p *corev1.Pod) {
	p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: nodeLostAt.Add(2 * time.Minute)}, nil
}

func TestADesktopOfALostNodeSaysWhenItIsGivenUp(t *testing.T) {
	const letGo = "`kubectl vdi out-of-service n-1 --powered-off` (or `kubectl taint nodes n-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`)."
	const where = "The desktop's node is lost: pod ada-1 on node n-1, which does not answer. "
	givenUp := nodeLostAt.Add(time.Minute)
	pod := lostPod(func(*corev1.Pod) {})
	o := Observation{Pod: pod}
	require.False(t, o.Ready())
	require.False(t, o.Reachable(nodeLostAt.Add(-time.Minute)), "it was reached before")

	got, next := podProgress(pod).At(givenUp)
	assert.Equal(t, v1alpha1.ReasonNodeLost, got.Reason)
	assert.Equal(t, where+"If it is not back by 2026-11-29 12:01:00 UTC, Kubernetes deletes the pod, and the desktop starts on another node "+
		"as soon as its home is free.", got.Message)
	assert.Equal(t, givenUp, got.Until.Time)
	assert.False(t, got.Stuck)

	got, next = podProgress(pod).At(next)
	assert.Equal(t, where+"Kubernetes was to delete the pod by 2026-11-29 12:01:00 UTC, which it does not while most nodes do not answer. "+
		"If the node is off, an administrator runs "+letGo, got.Message)
	assert.True(t, got.Stuck)
	assert.Zero(t, next)

	got, next = podProgress(lostPod(func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} })).At(givenUp)
	assert.Equal(t, where+"The pod tolerates that for ever: the desktop goes on when the node is back. If the node is off, an administrator runs "+
		letGo, got.Message)
	assert.Zero(t, next)
}

func TestAPodOfALostNodeKeepsAHomeThatOneNodeCanHave(t *testing.T) {
	claim := func(mode corev1.PersistentVolumeAccessMode) client.Object {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "home"},
			Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv-1", AccessModes: []corev1.PersistentVolumeAccessMode{mode}}}
	}
	lost := lostPod(func(p *corev1.Pod) { p.Name = "z-lost" })
	ending := lostPod(func(p *corev1.Pod) { p.Name, p.Status.Conditions = "a-ending", nil })
	for name, c := range map[string]struct {
		objects []client.Object
		keeps   string
	}{
		"one node at a time":        {[]client.Object{lost, claim(corev1.ReadWriteOnce)}, "z-lost"},
		"one pod at a time":         {[]client.Object{lost, claim(corev1.ReadWriteOncePod)}, "z-lost"},
		"many nodes":                {[]client.Object{lost, claim(corev1.ReadWriteMany)}, ""},
		"many, and another ends":    {[]client.Object{lost, ending, claim(corev1.ReadWriteMany)}, "a-ending"},
		"the lost one is said":      {[]client.Object{lost, ending, claim(corev1.ReadWriteOnce)}, "z-lost"},
		"nobody knows of its claim": {[]client.Object{lost}, "z-lost"},
	} {
		cluster := fake.NewClientBuilder().WithObjects(c.objects...).Build()
		kept, err := finishing(t.Context(), cluster, "team", &lost.Spec)
		require.NoError(t, err, name)
		assert.Equal(t, c.keeps, ptr.Deref(kept, corev1.Pod{}).Name, name)
	}
	progress, err := homeLost(t.Context(), fake.NewClientBuilder().WithObjects(claim(corev1.ReadWriteOnce)).Build(), lostPod(deletedPod))
	require.NoError(t, err)
	assert.True(t, progress.Stuck)
	assert.Equal(t, "The desktop's node is lost: pod ada-1 on node n-1, which does not answer, still has the home: PersistentVolumeClaim home "+
		"(PersistentVolume pv-1). The desktop starts when the node is back or has been removed from the cluster. If the node is certainly off, an "+
		"administrator runs `kubectl vdi out-of-service n-1 --powered-off` (or `kubectl taint nodes n-1 "+
		"node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`), as docs/operations/nodes.md#when-a-node-is-lost says.", progress.Message)
	kept, err := homeLost(t.Context(), fake.NewClientBuilder().Build(), lostPod(func(p *corev1.Pod) { p.Finalizers = []string{"a.io/x"} }))
	require.NoError(t, err)
	assert.Contains(t, kept.Detail, "home: PersistentVolumeClaim home. The desktop starts")
	assert.Contains(t, kept.Detail, "It is kept by a.io/x")
}
