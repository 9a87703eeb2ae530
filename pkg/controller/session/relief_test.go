package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/workload"
)

// pausing is a warm pool that has nothing for anybody, and remembers until when it is to replace how
// many fewer.
type (
	pausing map[gift]fewer
	fewer   struct {
		n     int
		until time.Time
	}
)

func (p pausing) Pause(template, namespace, node string, n int, until time.Time) {
	p[gift{template, namespace, node}] = fewer{n, until}
}
func (pausing) Take(context.Context, *v1alpha1.VDISession, *v1alpha1.VDITemplate, workload.Shape) (*corev1.Pod, error) {
	return nil, nil
}

// relieves lets time pass, with looks at nodes and at the session.
func (n *night) relieves(d time.Duration) *v1alpha1.VDISession {
	n.t.Helper()
	for ; d > 0; d -= pressureLookedAt {
		n.now = n.now.Add(pressureLookedAt)
		n.r.relieve(n.t.Context())
		n.look()
	}
	return n.session()
}

// left is whether a neighbour's desktop still dozes without giving way to anybody.
func (n *night) left(name string) bool {
	n.t.Helper()
	s := &v1alpha1.VDISession{}
	require.NoError(n.t, n.r.Client.Get(n.t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: name}, s))
	return s.Status.Doze != nil && s.Status.Doze.GivesWayTo == ""
}

// goes takes a neighbour away whose desktop has gone to sleep.
func (n *night) goes(name string) {
	n.t.Helper()
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name}}
	require.NoError(n.t, n.r.Client.Delete(n.t.Context(), s))
}

func TestUnderPressureTheLongestDozingDesktopOfTheNodeGoesFirst(t *testing.T) {
	for name, pressed := range map[string]func(*night){
		"by the kernel": func(n *night) { n.program.Feels(*low(40)) },
		"by kubelet":    func(n *night) { n.node(short) },
	} {
		n := dozing(t)
		n.neighbour("old", time.Hour, 1)
		n.neighbour("elsewhere", 2*time.Hour, 1, func(s *v1alpha1.VDISession) { s.Status.Doze.Node = "node-2" })
		n.relieves(time.Minute)
		require.True(t, n.left("old"), name)
		pressed(n)
		for waited := time.Duration(0); n.left("old"); waited += pressureLookedAt {
			require.LessOrEqual(t, waited, strainedFor+pressureLookedAt, name)
			n.relieves(pressureLookedAt)
		}
		n.wants(n.session(), v1alpha1.PhaseDozing, "")
		n.goes("old")
		n.wants(n.relieves(reliefPause-pressureLookedAt), v1alpha1.PhaseDozing, "")
		now := n.relieves(pressureLookedAt)
		assert.Equal(t, v1alpha1.ReasonGaveWay, now.Status.SleepReason, name)
		assert.False(t, n.program.Frozen(thePod), "%s: it is thawed before it ends", name)
		assert.True(t, n.left("elsewhere"), name)
		assert.Contains(t, n.counted, "gave way to memory", name)
	}
}

func TestWhatGaveWayWasEnoughWhereThePressureEnds(t *testing.T) {
	n := dozing(t)
	n.neighbour("old", time.Hour, 1)
	n.program.Feels(*low(40))
	n.relieves(strainedFor + pressureLookedAt)
	require.False(t, n.left("old"))
	n.goes("old")
	n.program.Feels(*low(5))
	n.wants(n.relieves(5*time.Minute), v1alpha1.PhaseDozing, "")
}

func TestADesktopInUseNeverGivesWayToItsNode(t *testing.T) {
	n := newNight(t)
	n.program.Feels(*low(100))
	n.neighbour("old", time.Hour, 1)
	n.records(func(st *v1alpha1.VDISessionStatus) {
		at := metav1.NewMicroTime(n.now.Add(time.Hour))
		st.Activity.LastConnectedTime = &at
	})
	now := n.relieves(3 * time.Minute)
	n.wants(now, v1alpha1.PhaseRunning, "")
	assert.Empty(t, now.Status.SleepReason)
	assert.False(t, n.left("old"))
}

func TestOnANodeThatIsShortOfMemoryNoDozeBegins(t *testing.T) {
	n := newNight(t)
	n.neighbour("old", time.Hour, 1)
	n.program.Feels(*low(40))
	now := n.relieves(dozeSoon + pressureLookedAt)
	require.Nil(t, now.Status.Doze)
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonNodeNeedsRoom)
	n.goes("old")
	n.relieves(time.Minute)
	require.Nil(t, n.session().Status.Doze, "it is short, whether it has anything to spare or not")
	n.program.Feels(nodeapi.Pressure{Available: 50})
	n.relieves(nodeLookedAt + 2*pressureLookedAt)
	assert.NotNil(t, n.session().Status.Doze)
}

func TestANodeWhoseProgramTellsNoMoreIsShortNoMore(t *testing.T) {
	n := newNight(t)
	n.neighbour("old", time.Hour, 1)
	n.program.Feels(*low(40))
	now := n.relieves(dozeSoon + pressureLookedAt)
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonNodeNeedsRoom)
	n.program.Feels(nodeapi.Pressure{Stalled: 1000, Available: -1})
	n.relieves(nodeLookedAt + 2*pressureLookedAt)
	assert.NotNil(t, n.session().Status.Doze)
}

func TestADesktopOfAWarmPoolGivesWayBeforeAnyThatDozes(t *testing.T) {
	n := dozing(t)
	pauses := pausing{}
	n.r.Pool = pauses
	pod := withGPUs("waits", 0)
	pod.Labels = map[string]string{v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: "egl"}
	require.NoError(t, n.r.Client.Create(t.Context(), pod))
	n.program.Feels(*low(40))
	n.wants(n.relieves(strainedFor+pressureLookedAt), v1alpha1.PhaseDozing, "")
	require.Error(t, n.r.Client.Get(t.Context(), client.ObjectKeyFromObject(pod), pod), "it is gone")
	of := gift{"egl", key.Namespace, pod.Spec.NodeName}
	assert.Equal(t, fewer{1, n.now.Add(RefillPause)}, pauses[of])
	n.relieves(time.Minute)
	assert.Equal(t, fewer{1, n.now.Add(RefillPause)}, pauses[of], "as long as the node is short")
	n.program.Feels(*low(0))
	n.relieves(time.Minute)
	assert.True(t, pauses[of].until.Before(n.now.Add(RefillPause)))
}

// A webhook, a policy or somebody's finalizer may keep one: the next one goes, and a pool replaces
// what it has kept.
func TestOneThatCannotGoKeepsNobodyElse(t *testing.T) {
	for name, keeps := range map[string]func(*night, *corev1.Pod){
		"refused": func(n *night, _ *corev1.Pod) {
			n.r.Client = interceptor.NewClient(n.r.Client.(client.WithWatch), interceptor.Funcs{
				Delete: func(ctx context.Context, c client.WithWatch, o client.Object, how ...client.DeleteOption) error {
					if o.GetName() == "waits-1" {
						return apierrors.NewForbidden(corev1.Resource("pods"), o.GetName(), errors.New("a webhook refuses it"))
					}
					return c.Delete(ctx, o, how...)
				}})
		},
		"it never ends": func(n *night, pod *corev1.Pod) {
			pod.Finalizers = []string{"a.io/x"}
			require.NoError(n.t, n.r.Client.Update(n.t.Context(), pod))
			require.NoError(n.t, n.r.Client.Delete(n.t.Context(), pod))
		},
		"its session is being deleted, and stays": func(n *night, pod *corev1.Pod) {
			require.NoError(n.t, n.r.Client.Delete(n.t.Context(), pod))
			n.neighbour("going", 3*time.Hour, 1, func(s *v1alpha1.VDISession) {
				s.Finalizers, s.Status.Doze.GivesWayTo = []string{"a.io/x"}, "somebody"
			})
			require.NoError(n.t, n.r.Client.Delete(n.t.Context(), &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "going"}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := dozing(t)
			pauses := pausing{}
			n.r.Pool = pauses
			n.neighbour("old", time.Hour, 1)
			pod := withGPUs("waits", 0)
			pod.Labels = map[string]string{v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: "egl"}
			require.NoError(t, n.r.Client.Create(t.Context(), pod))
			keeps(n, pod)
			n.program.Feels(*low(40))
			n.relieves(strainedFor + endsWithin + 2*pressureLookedAt)
			assert.False(t, n.left("old"), "it gives way")
			assert.Zero(t, pauses[gift{"egl", key.Namespace, pod.Spec.NodeName}].n)
		})
	}
}

func TestWhereNothingDozesNobodyIsAsked(t *testing.T) {
	n := newNight(t)
	n.relieves(30 * time.Second)
	assert.Zero(t, n.program.Asked())
	n = dozing(t)
	n.r.Config.Doze.MemoryPressure = 0
	n.program.Feels(*low(100))
	n.wants(n.relieves(2*time.Minute), v1alpha1.PhaseDozing, "")
	assert.Zero(t, n.program.Asked(), "it is off")
}

func TestAProgramThatDoesNotAnswerIsNoPressure(t *testing.T) {
	n := dozing(t)
	n.program.Feels(nodeapi.Pressure{Stalled: 1000, Available: -1})
	n.wants(n.relieves(2*time.Minute), v1alpha1.PhaseDozing, "")
	assert.EqualValues(t, 2*time.Minute/pressureLookedAt, n.unknown.Load(), "each is counted")
	n.program.Feels(*low(100))
	n.program.Node = "another"
	n.wants(n.relieves(2*time.Minute), v1alpha1.PhaseDozing, "")
}
