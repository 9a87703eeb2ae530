//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeapi/nodeapitest"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

// dozesAfter is the shortest time.
const dozesAfter = `{"spec":{"lifecycle":{"dozeAfter":"10s","disconnectTimeout":"5m"}}}`

// programOn is a program that the controllers know on a node.
func programOn(t *testing.T, v *token.Verifier, node string) *nodeapitest.Program {
	t.Helper()
	p := nodeapitest.Start(t, v, node)
	programs.OnAdd(p.Pod(), false)
	t.Cleanup(func() { programs.OnDelete(p.Pod()) })
	return p
}

func TestADesktopThatEverybodyLeftDozesAndAVisitFindsItAsItWas(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	program := programOn(t, verifier, ns)
	deployment := woken(t, s)
	pod := startPodOn(t, s, ns)
	require.NoError(t, patchSession(t, s, dozesAfter))
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	awaitCondition(t, s, v1alpha1.ConditionDozing, metav1.ConditionFalse, v1alpha1.ReasonCanDoze)
	eventually.NoError(t, "it dozes", func() error { // after 10 s, and an edit's notice
		if now := get(t, s); now.Status.Phase != v1alpha1.PhaseDozing || now.Status.Doze.FrozenAt == nil {
			return fmt.Errorf("phase %s, %+v", now.Status.Phase, now.Status.Doze)
		}
		return nil
	})
	awaitCondition(t, s, v1alpha1.ConditionDozing, metav1.ConditionTrue, v1alpha1.ReasonDozing)
	awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonDozing)
	awaitEvent(t, ns, "ada", v1alpha1.EventDesktopDozes, ns)
	require.True(t, program.Frozen(pod.UID))
	always(t, "its pod stays, and nothing of ours takes it for lost", func() error {
		if now := get(t, s); now.Status.Phase != v1alpha1.PhaseDozing || now.Status.ReadyTime == nil || now.Status.PodName != pod.Name {
			return fmt.Errorf("%+v", now.Status)
		}
		return hasScale(t, deployment, 1)()
	})

	visit(t, s)
	now := awaitPhase(t, s, v1alpha1.PhaseRunning)
	assert.Nil(t, now.Status.Doze)
	assert.False(t, program.Frozen(pod.UID))
	assert.Equal(t, pod.Name, now.Status.PodName)
	awaitEvent(t, ns, "ada", v1alpha1.EventDesktopThawed, "as it was left")
}

// aheadByHand is a reconciler a minute after everybody has left.
func aheadByHand(t *testing.T, name string) (*session.Reconciler, *v1alpha1.VDISession, *corev1.Pod, *nodeapitest.Program) {
	t.Helper()
	s := apartFrom(t, name)
	r := byHand(t, api, &workload.Deployment{Client: api, API: api})
	known := nodeprograms.New()
	program := nodeapitest.Start(t, r.Signer.Verifier(), name)
	known.OnAdd(program.Pod(), true)
	r.Programs, r.Orders = known, nodeapi.NewClient()
	require.NoError(t, patchSession(t, s, dozesAfter))
	pass(t, r, s)
	visit(t, s)
	pass(t, r, s)
	pod := startPodOn(t, s, name)
	pass(t, r, s)
	require.NotNil(t, get(t, s).Status.ReadyTime)
	r.Now = func() time.Time { return time.Now().Add(time.Minute) }
	program.Now = r.Now
	return r, s, pod, program
}

// killed fails every write of a status: the operator ended before it.
func killed() client.Client {
	return interceptor.NewClient(api, interceptor.Funcs{
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return apierrors.NewConflict(schema.GroupResource{}, "ended", errors.New("the operator was killed"))
		}})
}

func TestNoKillOfTheOperatorLeavesAFrozenDesktopUnknown(t *testing.T) {
	r, s, pod, program := aheadByHand(t, "killed")
	during := func(what func()) {
		r.Client = killed()
		what()
		r.Client = api
	}
	during(func() { pass(t, r, s) }) // before the intent is written
	require.Nil(t, get(t, s).Status.Doze)
	require.Empty(t, program.Obeyed(), "nothing is asked before that")
	pass(t, r, s)
	require.NotNil(t, get(t, s).Status.Doze)
	during(func() { pass(t, r, s) }) // after the freeze
	require.True(t, program.Frozen(pod.UID))
	require.NotNil(t, get(t, s).Status.Doze)
	pass(t, r, s)
	require.NotNil(t, get(t, s).Status.Doze.FrozenAt)

	at := r.Now().UTC().Format(metav1.RFC3339Micro)
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType,
		fmt.Appendf(nil, `{"status":{"activity":{"lastWakeTime":%q}}}`, at))))
	during(func() { pass(t, r, s) }) // after the thaw
	require.False(t, program.Frozen(pod.UID))
	pass(t, r, s)
	assert.Nil(t, get(t, s).Status.Doze)
}

func TestAVisitThatIsWrittenDuringTheFreezeIsNotOverlooked(t *testing.T) {
	r, s, pod, program := aheadByHand(t, "crossed")
	pass(t, r, s)
	r.Client = interceptor.NewClient(api, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			at := r.Now().UTC().Format(metav1.RFC3339Micro)
			require.NoError(t, api.Status().Patch(ctx, s.DeepCopy(), client.RawPatch(types.MergePatchType,
				fmt.Appendf(nil, `{"status":{"activity":{"lastConnectedTime":%q}}}`, at))))
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}})
	pass(t, r, s)
	require.True(t, program.Frozen(pod.UID))
	require.Nil(t, get(t, s).Status.Doze.FrozenAt, "its record was refused")
	r.Client = api
	pass(t, r, s)
	assert.False(t, program.Frozen(pod.UID))
	assert.Nil(t, get(t, s).Status.Doze)
}

// gpus is a resource that no other test asks for.
const gpus corev1.ResourceName = "doze.example.com/gpu"

func TestADozingDesktopGivesItsGPUToWhoWaitsForIt(t *testing.T) {
	ns := space(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	require.NoError(t, api.Create(t.Context(), node))
	t.Cleanup(func() { _ = api.Delete(context.Background(), node) })
	node.Spec.Taints = nil // the API server's, of a node that is not ready yet
	require.NoError(t, api.Update(t.Context(), node))
	node.Status.Allocatable = corev1.ResourceList{gpus: resource.MustParse("1")}
	require.NoError(t, api.Status().Update(t.Context(), node))
	program := programOn(t, verifier, ns)
	require.NoError(t, api.Create(t.Context(), newTemplate(ns)))
	holder := newSession(ns, "holder", ns)
	holder.Spec.User = "holder@example.com"
	require.NoError(t, api.Create(t.Context(), holder))
	deployment := woken(t, holder)
	pod := podWithGPU(t, holder, ns)
	require.NoError(t, patchSession(t, holder, dozesAfter))
	waiter := given(t, ns, "waiter")
	woken(t, waiter)
	podWithGPU(t, waiter, "")
	soon, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // nodes are listed once a minute
	defer cancel()
	require.NoError(t, eventually.Wait(soon, "it waits", func() error {
		if w := get(t, waiter).Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonWaitingForGPU {
			return fmt.Errorf("%+v", w)
		}
		return nil
	}))
	eventually.NoError(t, "it gives way", func() error {
		if now := get(t, holder).Status; now.SleepReason != v1alpha1.ReasonGaveWay || now.Doze != nil {
			return fmt.Errorf("%s for %q: %+v", now.Phase, now.SleepReason, now.Doze)
		}
		return nil
	})
	assert.False(t, program.Frozen(pod.UID), "it is thawed before it is ended")
	assert.Contains(t, program.Obeyed(), "freeze thaw")
	eventually.NoError(t, "its pod ends", hasScale(t, deployment, 0))
	c := awaitCondition(t, holder, v1alpha1.ConditionAwake, metav1.ConditionFalse, v1alpha1.ReasonGaveWay)
	wantText(t, c.Message, ns+"/waiter", string(gpus))
	awaitEvent(t, ns, "holder", v1alpha1.ReasonAsleep, v1alpha1.ReasonGaveWay, "waiter")
}

// pressed is the pressure of a node whose programs wait for memory most of the time.
var pressed = nodeapi.Pressure{Stalled: 80, Available: 3}

// dozesOn is a session whose desktop dozes on a node.
func dozesOn(t *testing.T, ns, name, node string) (*v1alpha1.VDISession, *corev1.Pod) {
	t.Helper()
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), newTemplate(ns))))
	s := newSession(ns, name, ns)
	s.Spec.User = name + "@example.com" // a home of its own
	require.NoError(t, api.Create(t.Context(), s))
	woken(t, s)
	pod := startPodOn(t, s, node)
	require.NoError(t, patchSession(t, s, dozesAfter))
	eventually.NoError(t, "it dozes", func() error { // after 10 s, and an edit's notice
		if now := get(t, s); now.Status.Phase != v1alpha1.PhaseDozing || now.Status.Doze.FrozenAt == nil {
			return fmt.Errorf("phase %s, %+v", now.Status.Phase, now.Status.Doze)
		}
		return nil
	})
	return s, pod
}

func TestUnderMemoryPressureWhatNobodyUsesOnTheNodeGivesWay(t *testing.T) {
	t.Parallel() // it waits for minutes, and its nodes are its own
	ns, pool := space(t), space(t)
	alone, shared := programOn(t, verifier, ns), programOn(t, verifier, pool)
	inUse := given(t, ns, "inuse")
	woken(t, inUse)
	startPodOn(t, inUse, ns)
	awaitPhase(t, inUse, v1alpha1.PhaseRunning)
	pooled(t, pool, 1, nil)
	waits := awaitWaiting(t, pool, 1)[0]
	getsReady(t, &waits, pool)
	dozes, pod := dozesOn(t, ns, "dozes", ns)
	beside, _ := dozesOn(t, ns, "beside", pool)
	alone.Feels(pressed)
	shared.Feels(pressed)

	soon, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // a node is under pressure for half a minute
	defer cancel()
	require.NoError(t, eventually.Wait(soon, "it gives way", func() error {
		if now := get(t, dozes).Status; now.SleepReason != v1alpha1.ReasonGaveWay || now.Doze != nil {
			return fmt.Errorf("%s for %q: %+v", now.Phase, now.SleepReason, now.Doze)
		}
		return nil
	}))
	assert.False(t, alone.Frozen(pod.UID), "it is thawed before it is ended")
	c := awaitCondition(t, dozes, v1alpha1.ConditionAwake, metav1.ConditionFalse, v1alpha1.ReasonGaveWay)
	wantText(t, c.Message, "node "+ns+", which is short of memory")
	awaitEvent(t, ns, "dozes", v1alpha1.ReasonAsleep, v1alpha1.ReasonGaveWay, "short of memory")

	require.NoError(t, eventually.Wait(soon, "what waits for nobody goes before who dozes", func() error {
		if n := len(waiting(t, pool)); n != 0 {
			return fmt.Errorf("%d wait", n)
		}
		return nil
	}))
	eventually.NoError(t, "the template to say so", func() error {
		if is := statusOf(t, pool).WarmPool; is == nil || is.Reason != v1alpha1.ReasonNodeNeedsRoom || is.Ready != 0 {
			return fmt.Errorf("%+v", is)
		}
		return nil
	})
	always(t, "none is made, who dozes has time, and who works goes on", func() error {
		if n := len(waiting(t, pool)); n != 0 {
			return fmt.Errorf("%d wait", n)
		}
		if now := get(t, beside).Status; now.Phase != v1alpha1.PhaseDozing || now.Doze.GivesWayTo != "" {
			return fmt.Errorf("%s: %+v", now.Phase, now.Doze)
		}
		if now := get(t, inUse).Status; now.Phase != v1alpha1.PhaseRunning {
			return fmt.Errorf("%s: %s", now.Phase, now.SleepReason)
		}
		return nil
	})
}

// podWithGPU is a pod with a GPU on a node; without one it is one that no node has room for.
func podWithGPU(t *testing.T, s *v1alpha1.VDISession, node string) *corev1.Pod {
	t.Helper()
	one := corev1.ResourceList{gpus: resource.MustParse("1")}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, GenerateName: s.Name + "-", Labels: workload.Labels(s)},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "dev.local/desktop:1",
			Resources: corev1.ResourceRequirements{Requests: one, Limits: one}}}}}
	require.NoError(t, api.Create(t.Context(), pod))
	patch := `{"status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True"}],` +
		`"containerStatuses":[{"name":"desktop","ready":true,"restartCount":0,"image":"","imageID":"","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}`
	if node == "" {
		patch = `{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable",` +
			`"message":"0/1 nodes are available: 1 Insufficient ` + string(gpus) + `."}]}}`
	}
	require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(patch))))
	if node != "" {
		require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType,
			fmt.Appendf(nil, `{"status":{"activity":{"lastReachedTime":%q}}}`, time.Now().UTC().Format(metav1.RFC3339Micro)))))
	}
	return pod
}

func TestTheProgramsOnNodesAreFoundByTheirPods(t *testing.T) {
	ns := space(t)
	known := nodeprograms.New()
	selector := map[string]string{nodeapi.ComponentLabel: nodeapi.Component, "app.kubernetes.io/instance": ns}
	watch := &nodeprograms.Watch{Config: cluster.Config, Options: cache.Options{Scheme: api.Scheme()}, Namespace: ns, Selector: selector, Programs: known}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watch.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	create := func(labels map[string]string, node string) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "node-", Labels: labels},
			Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "node", Image: "dev.local/node:1"}}}}
		require.NoError(t, api.Create(t.Context(), pod))
		require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType,
			[]byte(`{"status":{"phase":"Running","podIP":"10.0.0.9","conditions":[{"type":"Ready","status":"True"}]}}`))))
	}
	create(map[string]string{nodeapi.ComponentLabel: nodeapi.Component}, "another-installations")
	create(selector, "ours")
	eventually.True(t, "it is found", func() bool {
		is, ok := known.On("ours")
		return ok && is.Address.String() == fmt.Sprintf("10.0.0.9:%d", nodeapi.Port)
	})
	_, ok := known.On("another-installations")
	assert.False(t, ok)
}
