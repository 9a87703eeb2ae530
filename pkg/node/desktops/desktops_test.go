package desktops

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/cgroup/cgrouptest"
	"github.com/org/vdi-operator/pkg/token"
)

// fixture is a node with one pod, whose containers are a desktop and an agent.
type fixture struct {
	*Desktops
	cgrouptest.Hierarchy
	t              *testing.T
	desktop, agent cgroup.Container
	pod            *corev1.Pod
	// says is what the session says; it does not answer while it says nothing.
	says  atomic.Pointer[Says]
	asked atomic.Int64
	// given is the last order's time.
	given time.Time
}

func (f *fixture) Ask(_ context.Context, session types.NamespacedName, pod types.UID) (Says, error) {
	f.asked.Add(1)
	if session != (types.NamespacedName{Namespace: "team", Name: "ada"}) || pod != f.pod.UID {
		return "", errors.New("another pod was asked for")
	}
	if says := f.says.Load(); says != nil {
		return *says, nil
	}
	return "", errors.New("the API server is away")
}

func (f *fixture) say(s Says) { f.says.Store(&s) }

// each runs a test on each hierarchy of this machine.
func each(t *testing.T, test func(f *fixture)) {
	t.Helper()
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		f := &fixture{Hierarchy: h, t: t}
		desktop, agent := cgrouptest.ID(), cgrouptest.ID()
		uid := h.Pod(t, desktop, agent)
		f.desktop, f.agent = h.Sleeper(t, uid, desktop), h.Sleeper(t, uid, agent)
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		f.pod = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-0", UID: uid, Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
				{Name: v1alpha1.ContainerAgent, ContainerID: "containerd://" + agent, State: running},
				{Name: v1alpha1.ContainerDesktop, ContainerID: "containerd://" + desktop, State: running}}}}
		f.begin(time.Hour)
		test(f)
	})
}

// begin starts the program, as after a restart.
func (f *fixture) begin(pulseEvery time.Duration) {
	f.t.Helper()
	ds := New(Options{Root: f.Root, Sessions: f, PageOut: true, PulseEvery: pulseEvery, PulseFor: time.Millisecond,
		Metrics: metrics.NewNode(prometheus.NewRegistry(), func() int { return 0 }), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	f.Desktops = ds
	f.t.Cleanup(ds.Close)
}

// seen shows the pod, changed, and waits until it was looked at.
func (f *fixture) seen(change func(*corev1.Pod)) {
	f.t.Helper()
	p := f.pod.DeepCopy()
	if change != nil {
		change(p)
	}
	f.Seen(p)
}

func (f *fixture) looked() {
	f.t.Helper()
	eventually.True(f.t, "the pod was looked at", func() bool {
		d := f.of(f.pod.UID)
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.looked
	})
}

// order is one that is given now, after all before it.
func (f *fixture) order() token.Order {
	f.given = f.given.Add(time.Millisecond)
	if now := time.Now(); f.given.Before(now) {
		f.given = now
	}
	return token.Order{Pod: types.NamespacedName{Namespace: "team", Name: "ada-0"}, PodUID: f.pod.UID, Issued: f.given}
}

func (f *fixture) expectFrozen(want bool, why string) {
	f.t.Helper()
	is, err := f.desktop.Frozen()
	require.NoError(f.t, err)
	require.Equal(f.t, want, is, why)
	is, err = f.agent.Frozen()
	require.NoError(f.t, err)
	require.False(f.t, is, "the agent was frozen")
}

func (f *fixture) eventuallyRuns(why string) {
	f.t.Helper()
	eventually.True(f.t, why, func() bool {
		is, err := f.desktop.Frozen()
		return err == nil && !is
	})
}

func TestADesktopIsFrozenAndThawedByOrder(t *testing.T) {
	each(t, func(f *fixture) {
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		f.expectFrozen(true, "after the order")
		assert.Equal(t, 1, f.Frozen())
		require.NoError(t, f.Freeze(t.Context(), f.order()), "once more")
		require.NoError(t, f.Thaw(t.Context(), f.order()))
		f.expectFrozen(false, "after the order")
		assert.Zero(t, f.Frozen())
		require.NoError(t, f.Thaw(t.Context(), f.order()), "once more")
	})
}

func TestOrdersAreObeyedInTheOrderInWhichTheyWereGiven(t *testing.T) {
	each(t, func(f *fixture) {
		f.seen(nil)
		f.looked()
		freeze, thaw, later := f.order(), f.order(), f.order()
		require.NoError(t, f.Thaw(t.Context(), thaw))
		require.ErrorIs(t, f.Freeze(t.Context(), freeze), ErrOvertaken, "a freeze that was given before the thaw")
		f.expectFrozen(false, "the thaw was sooner")
		same := thaw
		require.ErrorIs(t, f.Freeze(t.Context(), same), ErrOvertaken, "of one millisecond the thaw counts")
		require.NoError(t, f.Freeze(t.Context(), later))
		require.ErrorIs(t, f.Thaw(t.Context(), thaw), ErrOvertaken, "a thaw shown again")
		f.expectFrozen(true, "the freeze was later")
		require.NoError(t, f.Thaw(t.Context(), f.order()))
		require.NoError(t, f.Thaw(t.Context(), thaw), "it runs, as an earlier order wanted")
		require.ErrorIs(t, f.Freeze(t.Context(), later), ErrOvertaken, "a freeze shown again")
		f.expectFrozen(false, "after all")
	})
}

func TestWhatIsNotThisPodIsNotFrozen(t *testing.T) {
	each(t, func(f *fixture) {
		require.ErrorIs(t, f.Freeze(t.Context(), f.order()), ErrNoPod, "the API server has not shown it")
		f.seen(nil)
		f.looked()
		for name, change := range map[string]func(*token.Order){
			"another UID":       func(o *token.Order) { o.PodUID = "0" },
			"another pod":       func(o *token.Order) { o.Pod.Name = "bob-0" },
			"another namespace": func(o *token.Order) { o.Pod.Namespace = "other" },
		} {
			o := f.order()
			change(&o)
			require.ErrorIs(t, f.Freeze(t.Context(), o), ErrNoPod, name)
			assert.ErrorIs(t, f.Thaw(t.Context(), o), ErrNoPod, name)
		}
		old := f.order()
		old.Issued = time.Now().Add(-time.Hour)
		require.ErrorIs(t, f.Freeze(t.Context(), old), ErrOvertaken, "given before the program's start")
		for name, change := range map[string]func(*corev1.Pod){
			"not running":              func(p *corev1.Pod) { p.Status.ContainerStatuses[1].State.Running = nil },
			"another pod's container":  func(p *corev1.Pod) { p.Status.ContainerStatuses[1].ContainerID = "containerd://" + cgrouptest.ID() },
			"a path for its container": func(p *corev1.Pod) { p.Status.ContainerStatuses[1].ContainerID = "containerd://.." },
		} {
			f.seen(change)
			require.Error(t, f.Freeze(t.Context(), f.order()), name)
		}
		f.expectFrozen(false, "after all")
	})
}

func TestAPodThatEndsRuns(t *testing.T) {
	each(t, func(f *fixture) {
		for name, change := range map[string]func(*corev1.Pod){
			"deleted": func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} },
			"evicted": func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
			"disrupted": func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
			},
		} {
			f.begin(time.Hour)
			f.seen(nil)
			f.looked()
			require.NoError(t, f.Freeze(t.Context(), f.order()), name)
			f.seen(change)
			f.expectFrozen(false, name)
			assert.ErrorIs(t, f.Freeze(t.Context(), f.order()), ErrOvertaken, name)
			assert.ErrorIs(t, f.Thaw(t.Context(), f.order()), ErrOvertaken, name)
			f.expectFrozen(false, name)
		}
		f.begin(time.Hour)
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		f.Gone(f.pod.UID)
		f.expectFrozen(false, "the API server knows it no more")
		assert.ErrorIs(t, f.Freeze(t.Context(), f.order()), ErrNoPod)
	})
}

func TestAfterARestartADesktopStaysFrozenOnlyIfItsSessionSaysSo(t *testing.T) {
	each(t, func(f *fixture) {
		for says, frozen := range map[Says]bool{Dozes: true, Runs: false, NotOurs: true} {
			require.NoError(t, f.desktop.Freeze(t.Context()))
			f.begin(time.Hour)
			f.seen(nil)
			require.Error(t, f.Freeze(t.Context(), f.order()), "the API server has not answered")
			f.expectFrozen(true, "the API server has not answered")
			f.say(says)
			f.looked()
			f.expectFrozen(frozen, string(says))
			assert.Equal(t, says == Dozes, f.Frozen() == 1, says)
			f.says.Store(nil)
			if says == Dozes {
				o := f.order()
				o.Issued = time.Now().Add(-time.Hour) // given with the freeze, long ago
				require.NoError(t, f.Thaw(t.Context(), o))
				f.expectFrozen(false, "a visitor came")
			}
			require.NoError(t, f.desktop.Thaw(t.Context()))
		}
	})
}

func TestAVisitorsThawNeedsNoAPIServer(t *testing.T) {
	each(t, func(f *fixture) {
		require.NoError(t, f.desktop.Freeze(t.Context()))
		f.begin(time.Hour)
		require.NoError(t, f.Thaw(t.Context(), f.order()), "the pod was not shown")
		f.expectFrozen(false, "the pod was not shown")
		require.NoError(t, f.desktop.Freeze(t.Context()))
		f.begin(time.Hour)
		f.seen(nil)
		require.NoError(t, f.Thaw(t.Context(), f.order()), "the session cannot be asked")
		f.expectFrozen(false, "the session cannot be asked")
	})
}

func TestWhenTheProgramEndsDesktopsRun(t *testing.T) {
	each(t, func(f *fixture) {
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		f.Close()
		f.expectFrozen(false, "after its end")
		require.Error(t, f.Freeze(t.Context(), f.order()))
		f.expectFrozen(false, "after its end")
	})
}

func TestAFrozenDesktopRunsForAMomentNowAndThen(t *testing.T) {
	each(t, func(f *fixture) {
		f.say(Dozes)
		f.begin(20 * time.Millisecond)
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Run(ctx)
		f.eventuallyRuns("a pulse")
		eventually.True(t, "it is frozen again", func() bool {
			is, err := f.desktop.Frozen()
			return err == nil && is
		})
		assert.Equal(t, 1, f.Frozen())
		f.say(Runs)
		eventually.True(t, "its session says that it runs", func() bool { return f.Frozen() == 0 })
		f.expectFrozen(false, "for good")
	})
}

func TestAnOrderDuringAPulseCounts(t *testing.T) {
	each(t, func(f *fixture) {
		f.say(Dozes)
		f.begin(time.Hour)
		f.PulseFor = 0
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		d := f.of(f.pod.UID)
		require.NoError(t, f.Thaw(t.Context(), f.order()))
		f.pulseOne(t.Context(), d, d.turn-1)
		f.expectFrozen(false, "the pulse was decided before the thaw")
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		f.pulseOne(t.Context(), d, d.turn)
		f.expectFrozen(true, "nobody came")
	})
}

func TestAnotherContainerOfTheDesktopIsNotTakenForTheFrozenOne(t *testing.T) {
	each(t, func(f *fixture) {
		f.seen(nil)
		f.looked()
		require.NoError(t, f.Freeze(t.Context(), f.order()))
		f.seen(func(p *corev1.Pod) { p.Status.ContainerStatuses[1].ContainerID = "containerd://" + cgrouptest.ID() })
		f.expectFrozen(false, "another one runs")
		assert.Zero(t, f.Frozen())
	})
}

func TestWhatAThawLeftOfAnUnknownPodGoes(t *testing.T) {
	each(t, func(f *fixture) {
		f.make("11111111-0000-0000-0000-000000000000")
		require.NoError(t, f.Thaw(t.Context(), f.order()))
		f.pulseAll()
		assert.Len(t, f.all(), 1, "only that of a pod that the node has stays")
		assert.NotNil(t, f.of(f.pod.UID))
	})
}
