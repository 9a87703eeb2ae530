package directory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

func newDirectory(dropped *[]types.NamespacedName) *Directory {
	return New(func(ns, name string) string { return name + "." + ns }, func(k types.NamespacedName) { *dropped = append(*dropped, k) })
}

func session() *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
}

func pod(name string, created int64, ip string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: name, UID: types.UID(name),
		Labels: map[string]string{v1alpha1.LabelSession: alice.Name}, CreationTimestamp: metav1.Unix(created, 0)}}
	p.Spec.Containers = []corev1.Container{{Name: "queue-proxy", Ports: []corev1.ContainerPort{{ContainerPort: 8012}}},
		{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}
	p.Status.PodIP = ip
	return p
}

func expectPod(t *testing.T, d *Directory, want string) {
	t.Helper()
	v, ok := d.View(alice)
	require.True(t, ok, "the session is not known")
	got := ""
	if v.Pod != nil {
		got = v.Pod.Name
	}
	assert.Equal(t, want, got, "pod")
}

func TestASessionIsFoundByItsHostUntilItIsDeleted(t *testing.T) {
	var dropped []types.NamespacedName
	d := newDirectory(&dropped)
	d.SetSession(session())
	view, ok := d.Find("alice.desktops")
	require.True(t, ok)
	assert.Equal(t, alice, view.Key(), "Lookup")
	_, ok = d.Find("bob.desktops")
	assert.False(t, ok, "a host of no session was found")
	d.SetPod(pod("a", 1, "10.0.0.1"))
	d.DropSession(alice)
	_, ok = d.Find("alice.desktops")
	assert.False(t, ok, "found after it was deleted")
	_, ok = d.View(alice)
	assert.False(t, ok, "viewed after it was deleted")
	require.Len(t, dropped, 1)
	assert.Equal(t, alice, dropped[0], "onDrop was called")
	d.DropPod(pod("a", 1, ""))
	require.Empty(t, d.entries)
	assert.Empty(t, d.byAddress, "something was kept of a deleted session")
}

func TestThePodIsTheNewestThatLives(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetPod(pod("b", 2, "")) // pods may be listed before sessions
	d.SetSession(session())
	expectPod(t, d, "b")
	d.SetPod(pod("a", 1, ""))
	expectPod(t, d, "b")
	d.SetPod(pod("c", 2, ""))
	expectPod(t, d, "c") // the same second: the name decides, not chance

	ending := pod("c", 2, "")
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(9, 0)}
	d.SetPod(ending)
	expectPod(t, d, "b")
	ended := pod("b", 2, "")
	ended.Status.Phase = corev1.PodFailed
	d.SetPod(ended)
	expectPod(t, d, "a")
	d.DropPod(pod("a", 1, ""))
	expectPod(t, d, "")
}

func TestAPodsStateIsItsDesktopsContainers(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	p := pod("a", 1, "10.0.0.1")
	p.Spec.NodeName = "node"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "queue-proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, {Name: v1alpha1.ContainerDesktop}}
	d.SetPod(p)
	v, _ := d.View(alice)
	assert.Equal(t, (Pod{Name: "a", UID: "a", Scheduled: true, IP: "10.0.0.1", Port: 8080}), *v.Pod, "pod")
	p = p.DeepCopy()
	p.Status.ContainerStatuses[1].State.Running = &corev1.ContainerStateRunning{}
	d.SetPod(p)
	if v, _ := d.View(alice); !v.Pod.Started {
		t.Error("the desktop's container runs, and is not seen to")
	}
}

func TestWhoeverWaitsLearnsOfEachChange(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	for name, tc := range map[string]struct {
		do   func()
		news bool
	}{
		"the session":              {func() { d.SetSession(session()) }, true},
		"a pod":                    {func() { d.SetPod(pod("a", 1, "")) }, true},
		"a foreign pod":            {func() { p := pod("x", 1, ""); p.Labels = nil; d.SetPod(p) }, false},
		"another session's pod":    {func() { p := pod("x", 1, ""); p.Labels[v1alpha1.LabelSession] = "bob"; d.SetPod(p) }, false},
		"a pod that nobody knows":  {func() { d.DropPod(pod("y", 1, "")) }, false},
		"a pod of another's place": {func() { p := pod("a", 1, ""); p.Namespace = "elsewhere"; d.SetPod(p) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := d.View(alice)
			tc.do()
			select {
			case <-v.Changed:
				assert.True(t, tc.news, "a notification without a change")
			default:
				assert.False(t, tc.news, "no notification")
			}
		})
	}
	t.Run("a pod without news", func(t *testing.T) {
		d.SetPod(pod("a", 1, "10.0.0.1"))
		v, _ := d.View(alice)
		d.SetPod(pod("a", 1, "10.0.0.1"))
		select {
		case <-v.Changed:
			t.Error("a notification without a change")
		default:
		}
	})
	t.Run("the session's end", func(t *testing.T) {
		v, _ := d.View(alice)
		d.DropSession(alice)
		select {
		case <-v.Changed:
		default:
			t.Error("no notification")
		}
	})
}

func TestALiveSessionKeepsItsAddressWhateverElseWouldHaveIt(t *testing.T) {
	same := New(func(string, string) string { return "one" }, nil)
	first, second := types.NamespacedName{Namespace: "a", Name: "x"}, types.NamespacedName{Namespace: "b", Name: "x"}
	for _, key := range []types.NamespacedName{first, second, first} {
		same.SetSession(&v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
		if got, ok := same.Find("one"); !ok || got.Key() != first {
			t.Fatalf("the address is %v's, want %v's", got.Key(), first)
		}
	}
	same.DropSession(second)
	if got, ok := same.Find("one"); !ok || got.Key() != first {
		t.Fatalf("another's deletion took the address: %v", got)
	}
}
