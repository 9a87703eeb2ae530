package nodeprograms

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

func pod(uid types.UID, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: string(uid), UID: uid}, Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{PodIP: "10.0.0.7", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{}}}}
	for _, f := range change {
		f(p)
	}
	return p
}

func TestOnlyAProgramThatIsReadyIsFound(t *testing.T) {
	for name, change := range map[string]func(*corev1.Pod){
		"not ready":   func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse },
		"ends":        func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} },
		"no address":  func(p *corev1.Pod) { p.Status.PodIP = "" },
		"bad address": func(p *corev1.Pod) { p.Status.PodIP = "here" },
		"no node":     func(p *corev1.Pod) { p.Spec.NodeName = "" },
	} {
		programs := New()
		programs.OnAdd(pod("1", "a", change), true)
		_, ok := programs.On("a")
		assert.False(t, ok, name)
		assert.Equal(t, name != "no node", programs.Has("a"), name)
		programs.OnUpdate(nil, pod("1", "a"))
		is, ok := programs.On("a")
		require.True(t, ok, name)
		assert.Equal(t, "10.0.0.7:7080", is.Address.String())
	}
}

func TestTheNodesWhoseProgramsChangedAreBroughtOnce(t *testing.T) {
	programs := New()
	programs.OnAdd(pod("1", "a"), true)
	programs.OnAdd(pod("2", "b"), true)
	<-programs.Changed()
	assert.Equal(t, map[string]bool{"a": true, "b": true}, programs.Nodes())
	programs.OnUpdate(nil, pod("1", "a"))
	assert.Empty(t, programs.Nodes(), "nothing has changed")
	before, _ := programs.On("a")
	programs.OnUpdate(nil, pod("1", "a", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = 1 }))
	after, _ := programs.On("a")
	assert.NotEqual(t, before.Instance, after.Instance, "what it had frozen may run")
	programs.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: pod("2", "b")})
	assert.Equal(t, map[string]bool{"a": true, "b": true}, programs.Nodes())
	assert.False(t, programs.Has("b"))
	_, ok := programs.On("b")
	assert.False(t, ok)
}

func TestTheProgramThatFollowsAnotherIsFoundWhileThatEnds(t *testing.T) {
	programs := New()
	programs.OnAdd(pod("1", "a"), true)
	programs.OnUpdate(nil, pod("1", "a", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }))
	programs.OnAdd(pod("2", "a"), false)
	is, ok := programs.On("a")
	require.True(t, ok)
	assert.Equal(t, "2/0", is.Instance)
}

// As an upgrade with maxSurge has them: each change of any pod would have every desktop frozen anew.
func TestOfTwoProgramsOnANodeTheYoungerOneIsTaken(t *testing.T) {
	began := time.Now()
	made := func(at time.Time) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(at) }
	}
	programs := New()
	programs.OnAdd(pod("2", "a", made(began)), true)
	programs.OnAdd(pod("1", "a", made(began.Add(time.Minute))), false)
	programs.Nodes()
	for range 50 {
		programs.OnUpdate(nil, pod("3", "b"))
		is, _ := programs.On("a")
		require.Equal(t, "1/0", is.Instance)
	}
	assert.NotContains(t, programs.Nodes(), "a")
}
