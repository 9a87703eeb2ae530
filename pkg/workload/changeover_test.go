package workload

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// kind is a workload that says what a test wants it to say, and counts what it is
// asked to do.
type kind struct {
	is                string // what is left of it
	asked             int
	applied, removals int
	rested            int
}

var (
	_ Workload = (*kind)(nil)
	_ former   = (*kind)(nil)
)

func (k *kind) left(context.Context, *v1alpha1.VDISession) (string, error) {
	k.asked++
	return k.is, nil
}
func (k *kind) Delete(context.Context, *v1alpha1.VDISession) (string, error) {
	k.removals++
	return k.is, nil
}
func (k *kind) Apply(context.Context, *v1alpha1.VDISession, Shape, Live) (Delay, error) {
	k.applied++
	return Delay{}, nil
}
func (k *kind) Rest(context.Context, *v1alpha1.VDISession, Shape, bool, func() bool) (Rested, error) {
	k.rested++
	return Rested{}, nil
}
func (k *kind) Scale(context.Context, *v1alpha1.VDISession, bool, Live) (bool, error) {
	return false, nil
}
func (k *kind) Observe(context.Context, *v1alpha1.VDISession) (Observation, error) {
	return Observation{}, nil
}
func (k *kind) Watched() []client.Object { return nil }

func TestAWorkloadOfTheOtherKindGivesWayInSleepAndToNothingElse(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	s := session()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: "ada-1", Labels: Labels(s)}}
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pod).Build()
	now, before := &kind{}, &kind{is: `Knative Service "ada"`}
	c := &changeover{client: cluster, now: now, former: before, to: "a Deployment"}
	apply := func(live bool) Delay {
		t.Helper()
		delay, err := c.Apply(t.Context(), s, Shape{}, is(live))
		require.NoError(t, err)
		return delay
	}

	d := apply(true)
	require.Equal(t, v1alpha1.ReasonWaitingForSleep, d.Reason)
	require.Contains(t, d.Message, `still runs as Knative Service "ada"`)
	assert.Equal(t, 0, before.removals, "live: %+v, removals", d)
	o, err := c.Observe(t.Context(), s)
	require.NoError(t, err)
	assert.True(t, o.Exists)
	for awake, removals := range map[bool]int{true: 0, false: 1} {
		before.removals = 0
		_, err := c.Scale(t.Context(), s, awake, is(awake))
		require.NoError(t, err)
		assert.Equal(t, before.removals, removals, "scaled, awake %t: removals", awake)
	}
	before.removals = 0
	if d := apply(false); d.Reason != v1alpha1.ReasonChangingOver || d.Again == 0 || before.removals != 1 || now.applied != 0 {
		t.Errorf("asleep: %+v, %d removals, applied %d times", d, before.removals, now.applied)
	}
	require.NoError(t, cluster.Delete(t.Context(), pod))
	before.removals = 0
	rested := func(may bool) Rested {
		t.Helper()
		rested, err := c.Rest(t.Context(), s, Shape{}, true, func() bool { return may })
		require.NoError(t, err)
		return rested
	}
	_, err = c.Scale(t.Context(), s, false, is(false))
	require.NoError(t, err)
	require.Equal(t, Rested{Left: true}, rested(false))
	require.Zero(t, before.removals, "a desktop at zero whose turn has not come")
	require.Equal(t, Rested{Left: true, Again: pollEvery}, rested(true))
	require.Equal(t, 1, before.removals)
	d = apply(true)
	require.Equal(t, v1alpha1.ReasonChangingOver, d.Reason)
	assert.Equal(t, 2, before.removals, "a start without a pod: %+v, removals", d)
	before.is = ""
	d = apply(false)
	require.True(t, d.None())
	assert.Equal(t, 1, now.applied, "nothing left: %+v, applied %d times", d, now.applied)
	require.Equal(t, Rested{}, rested(false))
	require.Equal(t, 1, now.rested)
	asked := before.asked
	if apply(true); before.asked != asked || now.applied != 2 {
		t.Errorf("settled: asked %d times more, applied %d times", before.asked-asked, now.applied)
	}
}

// is says always the same of whether a desktop is live.
func is(live bool) Live { return func(context.Context) (bool, error) { return live, nil } }
