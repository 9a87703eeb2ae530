package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

const gpu corev1.ResourceName = "nvidia.com/gpu"

// withGPUs is a pod of a session that asks for so many.
func withGPUs(session string, count int64) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: session + "-1", UID: types.UID("pod-of-" + session), Labels: map[string]string{v1alpha1.LabelSession: session}},
		Spec: corev1.PodSpec{NodeName: theNode, Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{gpu: *resource.NewQuantity(count, resource.DecimalSI)}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// neighbour is another session that dozes since then and holds so many GPUs.
func (n *night) neighbour(name string, since time.Duration, count int64, change ...func(*v1alpha1.VDISession)) {
	n.t.Helper()
	at := metav1.NewMicroTime(n.now.Add(-since))
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name, UID: types.UID(name)},
		Spec: v1alpha1.VDISessionSpec{User: name, Template: "egl"},
		Status: v1alpha1.VDISessionStatus{ObservedGeneration: 1, StartTime: &at, Doze: &v1alpha1.SessionDoze{Since: at, FrozenAt: &at, Pod: name + "-1",
			PodUID: types.UID("pod-of-" + name), Node: theNode}}}
	for _, f := range change {
		f(s)
	}
	require.NoError(n.t, n.r.Client.Create(n.t.Context(), s))
	require.NoError(n.t, n.r.Client.Create(n.t.Context(), withGPUs(name, count)))
}

// waits makes this session's desktop wait for so many GPUs.
func (n *night) waits(count int64) {
	n.Pod = withGPUs(key.Name, count)
	n.Pod.Spec.NodeName = ""
	n.Progress = workload.Progress{Reason: v1alpha1.ReasonWaitingForGPU, Resource: string(gpu), Message: "no GPU"}
	n.records(func(st *v1alpha1.VDISessionStatus) { st.ReadyTime, st.PodName = nil, "" })
}

// chosen are the neighbours that give way.
func (n *night) chosen() (names []string) {
	n.t.Helper()
	list := &v1alpha1.VDISessionList{}
	require.NoError(n.t, n.r.Client.List(n.t.Context(), list))
	for i := range list.Items {
		if d := list.Items[i].Status.Doze; d != nil && d.GivesWayTo != "" {
			names = append(names, list.Items[i].Name)
		}
	}
	return names
}

func TestTheLongestDozingDesktopThatHelpsGivesWay(t *testing.T) {
	n := newNight(t)
	n.neighbour("small", time.Hour, 1)
	n.neighbour("young", time.Minute, 2)
	n.neighbour("old", 10*time.Minute, 2)
	n.neighbour("always", time.Hour, 2, func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerAlwaysOn })
	n.neighbour("inuse", time.Hour, 2, func(s *v1alpha1.VDISession) {
		at := metav1.NewMicroTime(n.now)
		s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: &at}
	})
	n.neighbour("awake", time.Hour, 2, func(s *v1alpha1.VDISession) { s.Status.Doze = nil })
	n.waits(2)
	n.look()
	require.Equal(t, []string{"old"}, n.chosen())
	n.look()
	n.passes(placedWithin)
	assert.Equal(t, []string{"old"}, n.chosen(), "one at a time, as long as its pod is there")

	// Its pod is gone, and the scheduler has its time.
	old := &v1alpha1.VDISession{}
	require.NoError(t, n.r.Client.Get(t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: "old"}, old))
	old.Status.Doze, old.Status.StartTime, old.Status.SleepReason = nil, nil, v1alpha1.ReasonGaveWay
	at := metav1.NewMicroTime(n.now)
	old.Status.SleepTime = &at
	require.NoError(t, n.r.Client.Status().Update(t.Context(), old))
	n.look()
	assert.Empty(t, n.chosen(), "its pod still ends")
	require.NoError(t, n.r.Client.Delete(t.Context(), withGPUs("old", 2)))
	_, again := n.passes(time.Second)
	assert.Empty(t, n.chosen(), "the scheduler has not looked yet")
	assert.LessOrEqual(t, again, placedWithin)
	n.passes(placedWithin)
	assert.Equal(t, []string{"young"}, n.chosen(), "somebody else was faster")
}

func TestWhoWaitsLongerIsHelpedFirstAndEachByOne(t *testing.T) {
	n := newNight(t)
	n.neighbour("first", time.Hour, 1)
	n.neighbour("second", time.Minute, 1)
	before := metav1.NewMicroTime(n.now.Add(-time.Hour))
	require.NoError(t, n.r.Client.Create(t.Context(), &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "earlier", UID: "earlier"},
		Spec: v1alpha1.VDISessionSpec{User: "earlier", Template: "egl"}, Status: v1alpha1.VDISessionStatus{StartTime: &before,
			Waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: string(gpu)}}}))
	n.waits(1)
	n.look()
	require.Equal(t, []string{"first"}, n.chosen())
	n.look()
	require.Equal(t, []string{"first"}, n.chosen())
	n.passes(placedWithin)
	assert.Equal(t, []string{"first", "second"}, n.chosen(), "the first is for who waits for longer")
	n.passes(time.Minute)
	assert.Len(t, n.chosen(), 2)
}

func TestOnlyAWaitForAGPUMakesSomebodyGiveWay(t *testing.T) {
	n := newNight(t)
	n.neighbour("old", time.Hour, 1)
	n.waits(1)
	n.Progress.Reason, n.Progress.Resource = v1alpha1.ReasonWaitingForResource, "memory"
	n.look()
	assert.Empty(t, n.chosen())
}

func TestWhatGivesWayIsThawedAndSleepsUnlessSomebodyIsBack(t *testing.T) {
	asked := func(st *v1alpha1.VDISessionStatus) {
		st.Doze.GivesWayTo = "session team/bob, which waits for nvidia.com/gpu"
	}
	n := dozing(t)
	n.records(asked)
	now, _ := n.passes(time.Second)
	assert.Equal(t, v1alpha1.ReasonGaveWay, now.Status.SleepReason)
	assert.False(t, n.program.Frozen(thePod))
	n = dozing(t)
	n.records(asked)
	n.returns()
	now, _ = n.look()
	n.wants(now, v1alpha1.PhaseRunning, "")
	assert.Empty(t, now.Status.SleepReason)
}

// node is the desktop's, as the API server has it.
func (n *night) node(change func(*corev1.Node)) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: theNode},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{gpu: resource.MustParse("8")}}}
	change(node)
	n.r.API = fake.NewClientBuilder().WithScheme(n.r.Client.Scheme()).WithObjects(node, n.session(), n.Pod).
		WithIndex(&corev1.Node{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).Build()
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }
func short(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}}
}

func TestADozingDesktopGivesWayToANodeThatIsDrained(t *testing.T) {
	n := dozing(t)
	n.node(func(*corev1.Node) {})
	now, _ := n.passes(time.Second)
	n.wants(now, v1alpha1.PhaseDozing, "")
	n.node(cordoned)
	now, _ = n.passes(nodeLookedAt)
	assert.Equal(t, v1alpha1.ReasonGaveWay, now.Status.SleepReason)
	assert.False(t, n.program.Frozen(thePod))
}

func TestWhereTheNodeNeedsRoomNoDozeBegins(t *testing.T) {
	n := newNight(t)
	n.node(cordoned)
	now, _ := n.passes(dozeSoon)
	assert.Nil(t, now.Status.Doze)
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonNodeNeedsRoom)
	now, _ = n.passes(4 * time.Minute)
	assert.Equal(t, v1alpha1.ReasonDisconnectTimeout, now.Status.SleepReason)
}

// What a node is like, for pods that ask for it.
func labelled(n *corev1.Node) { n.Labels = map[string]string{"gpu": "big"} }
func tainted(n *corev1.Node) {
	n.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
}

func TestNobodyGivesWayToWhoMayNotRunOnTheirNode(t *testing.T) {
	selects := func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"gpu": "big"} }
	required := func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "gpu", Operator: corev1.NodeSelectorOpIn, Values: []string{"big"}}}}}}}}
	}
	tolerates := func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Key: "team", Operator: corev1.TolerationOpExists}}
	}
	any, none := func(*corev1.Pod) {}, func(*corev1.Node) {}
	for name, c := range map[string]struct {
		pod  func(*corev1.Pod)
		node func(*corev1.Node)
		want []string
	}{
		"a selector that the node lacks":  {selects, none, nil},
		"one that it has":                 {selects, labelled, []string{"old"}},
		"an affinity that the node lacks": {required, none, nil},
		"one that it meets":               {required, labelled, []string{"old"}},
		"a taint":                         {any, tainted, nil},
		"a taint that is tolerated":       {tolerates, tainted, []string{"old"}},
		"a cordoned node":                 {any, cordoned, nil},
	} {
		n := newNight(t)
		n.neighbour("old", time.Hour, 1)
		n.waits(1)
		c.pod(n.Pod)
		n.node(c.node)
		n.look()
		assert.Equal(t, c.want, n.chosen(), name)
	}
}

// It may be kept from nodes by what nobody sees here, such as where its home is.
func TestWhoIsHelpedByNobodyCostsFewerAndFewer(t *testing.T) {
	n := newNight(t)
	for i := range 12 {
		n.neighbour(fmt.Sprintf("n%02d", i), time.Hour-time.Duration(i)*time.Minute, 1)
	}
	n.waits(1)
	gone := 0
	for range 5 * 60 { // an hour
		n.passes(placedWithin)
		for _, name := range n.chosen() {
			s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name}}
			require.NoError(t, n.r.Client.Delete(t.Context(), s))
			require.NoError(t, n.r.Client.Delete(t.Context(), withGPUs(name, 1)))
			gone++
		}
	}
	assert.LessOrEqual(t, gone, 9)
	assert.GreaterOrEqual(t, gone, 5)
}

func TestWhoCannotUseItKeepsNobodyFromADesktopThatGivesWay(t *testing.T) {
	n := newNight(t)
	n.neighbour("first", time.Hour, 1)
	n.neighbour("second", time.Minute, 1)
	before := metav1.NewMicroTime(n.now.Add(-time.Hour))
	require.NoError(t, n.r.Client.Create(t.Context(), &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "stuck", UID: "stuck"},
		Spec: v1alpha1.VDISessionSpec{User: "stuck", Template: "egl"}, Status: v1alpha1.VDISessionStatus{StartTime: &before,
			Waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: string(gpu)}}}))
	stuck := withGPUs("stuck", 1)
	stuck.Spec.NodeName, stuck.Spec.NodeSelector = "", map[string]string{"gpu": "big"}
	require.NoError(t, n.r.Client.Create(t.Context(), stuck))
	n.waits(1)
	n.node(func(*corev1.Node) {})
	n.look()
	require.Equal(t, []string{"first"}, n.chosen())
	n.passes(placedWithin)
	n.passes(time.Minute)
	assert.Equal(t, []string{"first"}, n.chosen(), "it is for this one, for the other cannot use it")
}

func TestADesktopThatIsAlwaysOnNeverGivesWayAndNobodyHopesForIt(t *testing.T) {
	n := newNight(t)
	n.neighbour("always", time.Hour, 1, func(s *v1alpha1.VDISession) {
		s.Spec.Power, s.Status.Doze.GivesWayTo = v1alpha1.PowerAlwaysOn, "session a/b, which waits for it"
	})
	n.neighbour("old", time.Minute, 1)
	n.waits(1)
	n.look()
	assert.Contains(t, n.chosen(), "old")

	n = dozing(t)
	s := n.session()
	s.Spec.Power, s.Spec.Lifecycle = v1alpha1.PowerAlwaysOn, &v1alpha1.Lifecycle{DozeAfter: v1alpha1.NewDuration(dozeSoon)}
	require.NoError(t, n.r.Client.Update(t.Context(), s))
	n.node(cordoned)
	now, _ := n.passes(nodeLookedAt)
	require.NotNil(t, now.Status.Doze)
	assert.Empty(t, now.Status.Doze.GivesWayTo)
}
