package session

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeapi/nodeapitest"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	theNode            = "node-1"
	thePod   types.UID = "pod-1"
	dozeSoon           = time.Minute
)

// night is a stage whose desktop dozes after dozeSoon, with the program on its node.
type night struct {
	*stage
	program  *nodeapitest.Program
	programs *nodeprograms.Programs
}

// newNight is one whose desktop runs, and that somebody has just left.
func newNight(t *testing.T) *night {
	t.Helper()
	s := newWokenStage(t)
	n := &night{s, nodeapitest.Start(t, s.r.Signer.Verifier(), theNode), nodeprograms.New()}
	n.program.Now = func() time.Time { return s.now }
	s.r.Client = indexed(s.r.Client)
	s.r.Programs, s.r.Orders = n.programs, nodeapi.NewClient()
	n.programs.OnAdd(n.program.Pod(), true)
	sessions := s.r.Defaults.Now()
	sessions.DozeAfter, sessions.DozeFor, sessions.IdleTimeout = v1alpha1.NewDuration(dozeSoon), v1alpha1.NewDuration(time.Hour), v1alpha1.NewDuration(0)
	s.r.Defaults = NewDefaults(sessions)
	s.fits = true
	s.pod(corev1.ConditionTrue)
	s.Pod.Namespace, s.Pod.UID, s.Pod.Spec.NodeName = key.Namespace, thePod, theNode
	at := metav1.NewMicroTime(s.now)
	s.records(func(st *v1alpha1.VDISessionStatus) {
		st.StartTime, st.Activity.LastWakeTime, st.Activity.LastConnectedTime = &at, &at, &at
	})
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	s.counted = nil
	return n
}

// indexed is a client of the same objects that knows the controller's indexes.
func indexed(c client.Client) client.Client {
	var objects []client.Object
	sessions, templates := &v1alpha1.VDISessionList{}, &v1alpha1.VDITemplateList{}
	_ = errors.Join(c.List(context.Background(), sessions), c.List(context.Background(), templates))
	for i := range sessions.Items {
		objects = append(objects, &sessions.Items[i])
	}
	for i := range templates.Items {
		objects = append(objects, &templates.Items[i])
	}
	return fake.NewClientBuilder().WithScheme(c.Scheme()).WithStatusSubresource(&v1alpha1.VDISession{}).WithObjects(objects...).
		WithIndex(&v1alpha1.VDISession{}, indexDoze, func(o client.Object) []string { return dozeIndex(o.(*v1alpha1.VDISession)) }).
		WithIndex(&v1alpha1.VDISession{}, indexWaits, func(o client.Object) []string { return waitsIndex(o.(*v1alpha1.VDISession)) }).Build()
}

// passes lets time pass, and looks.
func (n *night) passes(d time.Duration) (*v1alpha1.VDISession, time.Duration) {
	n.t.Helper()
	n.now = n.now.Add(d)
	return n.look()
}

// dozing is one whose desktop is frozen.
func dozing(t *testing.T) *night {
	t.Helper()
	n := newNight(t)
	n.passes(dozeSoon)
	now, _ := n.look()
	require.NotNil(t, now.Status.Doze)
	require.NotNil(t, now.Status.Doze.FrozenAt)
	require.True(t, n.program.Frozen(thePod))
	return n
}

// returns is a visit that an activator reports.
func (n *night) returns() {
	n.t.Helper()
	at := metav1.NewMicroTime(n.now.Add(time.Millisecond))
	n.records(func(st *v1alpha1.VDISessionStatus) {
		st.Activity.LastWakeTime, st.Activity.LastConnectedTime = &at, &at
	})
}

func (n *night) says(s *v1alpha1.VDISession, status metav1.ConditionStatus, reason string) *metav1.Condition {
	n.t.Helper()
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionDozing)
	require.NotNil(n.t, c)
	assert.Equal(n.t, status, c.Status, "%+v", c)
	assert.Equal(n.t, reason, c.Reason, "%+v", c)
	return c
}

func TestADesktopThatEverybodyLeftIsFrozenAfterThatIsWritten(t *testing.T) {
	n := newNight(t)
	now, again := n.look()
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonCanDoze)
	require.Equal(t, dozeSoon, again)
	now, _ = n.passes(dozeSoon)
	d := now.Status.Doze
	require.NotNil(t, d)
	require.Nil(t, d.FrozenAt)
	require.Empty(t, n.program.Obeyed(), "before anything is asked the intent is on record")
	assert.Equal(t, []string{"ada-1", string(thePod), theNode, n.program.Address.String()}, []string{d.Pod, string(d.PodUID), d.Node, d.Address})

	now, again = n.look()
	require.True(t, n.program.Frozen(thePod))
	require.NotNil(t, now.Status.Doze.FrozenAt)
	n.wants(now, v1alpha1.PhaseDozing, "as it was left")
	n.says(now, metav1.ConditionTrue, v1alpha1.ReasonDozing)
	ready := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
	assert.Equal(t, []string{"True", v1alpha1.ReasonDozing}, []string{string(ready.Status), ready.Reason})
	assert.LessOrEqual(t, again, nodeLookedAt)
	n.look()
	assert.Equal(t, "freeze", n.program.Obeyed(), "what is frozen is left alone")
}

func TestAVisitThawsAndAnotherLeaveFreezesAgain(t *testing.T) {
	n := dozing(t)
	n.now = n.now.Add(10 * time.Minute)
	n.returns()
	now, _ := n.look()
	assert.Nil(t, now.Status.Doze)
	assert.False(t, n.program.Frozen(thePod))
	n.wants(now, v1alpha1.PhaseRunning, "")
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonCanDoze)
	assert.Equal(t, []string{"dozed", "dozed for 10m0s", "woke from doze"}, n.counted)
	n.passes(dozeSoon + time.Second)
	n.look()
	assert.Equal(t, "freeze thaw freeze", n.program.Obeyed())
}

// An activator thaws by the order on record, without the operator.
func TestTheOrderOnRecordThawsAndOvertakesTheFreeze(t *testing.T) {
	n := newNight(t)
	now, _ := n.passes(dozeSoon)
	order := now.Status.Doze.Thaw
	require.NoError(t, nodeapi.NewClient().Thaw(t.Context(), n.program.Address, order))
	now, _ = n.look() // the visit is not on record yet
	assert.False(t, n.program.Frozen(thePod), "a freeze that came late froze somebody's desktop")
	assert.Nil(t, now.Status.Doze)
	n.says(now, metav1.ConditionFalse, v1alpha1.ReasonFreezeFailed)
	n.passes(time.Second)
	assert.Equal(t, "thaw thaw", n.program.Obeyed())
	n.passes(freezeRetry)
	n.look()
	assert.Equal(t, "thaw thaw freeze", n.program.Obeyed())
	// It is good for nothing else, and for nothing any more.
	assert.ErrorIs(t, nodeapi.NewClient().Freeze(t.Context(), n.program.Address, order), nodeapi.ErrRefused)
	assert.ErrorIs(t, nodeapi.NewClient().Thaw(t.Context(), n.program.Address, order), nodeapi.ErrOvertaken)
}

func TestAVisitThatIsRecordedDuringTheFreezeEndsIt(t *testing.T) {
	n := newNight(t)
	n.passes(dozeSoon)
	n.program.Before(func(_ http.ResponseWriter, o token.Order) bool {
		if o.Action == token.ActionFreeze {
			n.returns()
		}
		return false
	})
	now, _ := n.look()
	assert.Nil(t, now.Status.Doze.FrozenAt, "the record was locked")
	now, _ = n.look()
	assert.Nil(t, now.Status.Doze)
	assert.False(t, n.program.Frozen(thePod))
}

// killed is a reconciler whose next write of a status is not made: the program ended before it.
func (n *night) killed(during func()) {
	n.t.Helper()
	whole := n.r.Client
	n.r.Client = interceptor.NewClient(whole.(client.WithWatch), interceptor.Funcs{
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return apierrors.NewConflict(schema.GroupResource{}, "ended", errors.New("the operator was killed"))
		}})
	during()
	n.r.Client = whole
	n.r.failedFreezes.Clear()
}

func TestAnOperatorThatIsKilledBetweenTwoStepsIsFollowedByOneThatGoesOn(t *testing.T) {
	t.Run("before the intent is written", func(t *testing.T) {
		n := newNight(t)
		n.killed(func() { n.passes(dozeSoon) })
		require.Nil(t, n.session().Status.Doze)
		require.Empty(t, n.program.Obeyed())
		n.look()
		n.look()
		assert.True(t, n.program.Frozen(thePod))
	})
	t.Run("after the freeze, before that is written", func(t *testing.T) {
		n := newNight(t)
		n.passes(dozeSoon)
		n.killed(func() { n.look() })
		require.True(t, n.program.Frozen(thePod))
		require.NotNil(t, n.session().Status.Doze, "a frozen desktop is unknown")
		now, _ := n.passes(time.Minute)
		assert.NotNil(t, now.Status.Doze.FrozenAt)
		assert.Equal(t, "freeze freeze", n.program.Obeyed())
	})
	t.Run("after the freeze, and somebody comes", func(t *testing.T) {
		n := newNight(t)
		n.passes(dozeSoon)
		n.killed(func() { n.look() })
		n.returns()
		now, _ := n.look()
		assert.Nil(t, now.Status.Doze)
		assert.False(t, n.program.Frozen(thePod))
	})
	t.Run("after the thaw, before that is written", func(t *testing.T) {
		n := dozing(t)
		n.returns()
		n.killed(func() { n.look() })
		require.False(t, n.program.Frozen(thePod))
		now, _ := n.look()
		assert.Nil(t, now.Status.Doze)
		assert.Equal(t, "freeze thaw thaw", n.program.Obeyed())
	})
	t.Run("after the thaw before a sleep", func(t *testing.T) {
		n := dozing(t)
		n.killed(func() { n.passes(time.Hour) })
		require.False(t, n.program.Frozen(thePod))
		now, _ := n.look()
		n.wants(now, v1alpha1.PhaseAsleep, "")
		assert.Equal(t, v1alpha1.ReasonDozeFor, now.Status.SleepReason)
	})
}

func TestWhatDozedForLongIsThawedBeforeItEnds(t *testing.T) {
	n := dozing(t)
	n.scaled = nil
	now, _ := n.passes(time.Hour)
	assert.False(t, n.program.Frozen(thePod))
	assert.Nil(t, now.Status.Doze)
	assert.Equal(t, v1alpha1.ReasonDozeFor, now.Status.SleepReason)
	assert.NotContains(t, n.scaled, false, "it is stopped only once its sleep is recorded")
	assert.Nil(t, meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionDozing))
	n.look()
	assert.Contains(t, n.scaled, false)
}

func TestNothingIsFrozenWhereNoProgramIs(t *testing.T) {
	n := newNight(t)
	n.programs.OnDelete(n.program.Pod())
	now, again := n.passes(dozeSoon)
	assert.Nil(t, now.Status.Doze)
	c := n.says(now, metav1.ConditionFalse, v1alpha1.ReasonNodeProgramMissing)
	assert.Contains(t, c.Message, theNode)
	assert.Equal(t, 4*time.Minute, again, "the disconnect timeout holds")
	now, _ = n.passes(4 * time.Minute)
	assert.Equal(t, v1alpha1.ReasonDisconnectTimeout, now.Status.SleepReason)
}

func TestAConditionSaysWhyNothingDozes(t *testing.T) {
	t.Run("doze.enabled is false", func(t *testing.T) {
		n := newNight(t)
		n.r.Programs = nil
		now, _ := n.passes(dozeSoon)
		assert.Contains(t, n.says(now, metav1.ConditionFalse, v1alpha1.ReasonDozeOff).Message, "doze.enabled")
	})
	t.Run("it sleeps first", func(t *testing.T) {
		n := newNight(t)
		sessions := n.r.Defaults.Now()
		sessions.DozeAfter = sessions.DisconnectTimeout
		n.r.Defaults = NewDefaults(sessions)
		now, _ := n.look()
		assert.Contains(t, n.says(now, metav1.ConditionFalse, v1alpha1.ReasonSleepsFirst).Message, "5m0s")
	})
	t.Run("the program cannot", func(t *testing.T) {
		n := newNight(t)
		n.program.Before(func(w http.ResponseWriter, o token.Order) bool {
			if o.Action == token.ActionThaw {
				return false
			}
			http.Error(w, "the freezer is missing", http.StatusServiceUnavailable)
			return true
		})
		n.passes(dozeSoon)
		now, again := n.look()
		assert.Contains(t, n.says(now, metav1.ConditionFalse, v1alpha1.ReasonFreezeFailed).Message, "the freezer is missing")
		assert.Nil(t, now.Status.Doze)
		assert.LessOrEqual(t, again, freezeRetry)
	})
}

func TestADesktopIsFrozenAgainByAProgramThatStartedAnew(t *testing.T) {
	n := dozing(t)
	n.programs.OnDelete(n.program.Pod())
	now, _ := n.passes(time.Minute)
	n.wants(now, v1alpha1.PhaseDozing, "")
	before := now.Status.Doze
	n.program.Restart()
	n.programs.OnAdd(n.program.Pod(), false)
	assert.Contains(t, n.programs.Nodes(), theNode)
	now, _ = n.look()
	require.NotEqual(t, before.Thaw, now.Status.Doze.Thaw, "the former order would be overtaken")
	require.Equal(t, before.Since, now.Status.Doze.Since)
	now, _ = n.look()
	assert.NotNil(t, now.Status.Doze.FrozenAt)
	assert.True(t, n.program.Frozen(thePod))
	require.NoError(t, nodeapi.NewClient().Thaw(t.Context(), n.program.Address, now.Status.Doze.Thaw))
	assert.False(t, n.program.Frozen(thePod))
}

func TestWhatNobodyThawsStartsAnewForWhoCame(t *testing.T) {
	n := dozing(t)
	n.programs.OnDelete(n.program.Pod())
	n.now = n.now.Add(time.Minute)
	n.returns()
	now, again := n.look()
	require.NotNil(t, now.Status.Doze)
	require.Equal(t, thawRetry, again)
	now, _ = n.passes(ProgramBackWithin - time.Millisecond)
	require.False(t, now.Status.Doze.Lost)
	now, _ = n.passes(time.Millisecond)
	require.True(t, now.Status.Doze.Lost)
	n.scaled = nil
	now, _ = n.look()
	assert.Equal(t, v1alpha1.ReasonDozeLost, now.Status.SleepReason)
	n.wants(now, v1alpha1.PhaseAsleep, "starts anew")
	now, _ = n.look()
	assert.Contains(t, n.scaled, false, "its pod ends")
	require.NotNil(t, now.Status.Doze)
	require.Nil(t, now.Status.StartTime, "while its pod is there it does not wake")
	n.Pod, n.Pods, n.scaled = nil, 1, nil
	now, _ = n.look()
	assert.Nil(t, now.Status.Doze)
	assert.NotNil(t, now.Status.StartTime, "the visit that found it lost wakes it")
	assert.Contains(t, n.scaled, true)
}

func TestAProgramThatIsBackInTimeThawsForWhoWaits(t *testing.T) {
	n := dozing(t)
	n.programs.OnDelete(n.program.Pod())
	n.returns()
	n.look()
	n.programs.OnAdd(n.program.Pod(), false)
	now, _ := n.passes(thawRetry)
	assert.Nil(t, now.Status.Doze)
	n.wants(now, v1alpha1.PhaseRunning, "")
}

func TestADozeThatLosesItsPodIsOver(t *testing.T) {
	n := dozing(t)
	n.Pod, n.Pods = nil, 0
	now, _ := n.passes(time.Second)
	assert.Nil(t, now.Status.Doze)
	assert.NotEqual(t, v1alpha1.PhaseDozing, now.Status.Phase)
}

func TestSwitchingDozingOffThawsAndTheOtherClocksHold(t *testing.T) {
	n := dozing(t)
	sessions := n.r.Defaults.Now()
	sessions.DozeAfter = v1alpha1.NewDuration(0)
	n.r.Defaults = NewDefaults(sessions)
	now, again := n.passes(time.Minute)
	assert.Nil(t, now.Status.Doze)
	assert.False(t, n.program.Frozen(thePod))
	assert.LessOrEqual(t, again, 3*time.Minute)
	assert.Nil(t, meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionDozing))
}

func TestAnotherSigningKeyFreezesAnewWithAnOrderThatIsGood(t *testing.T) {
	n := dozing(t)
	other := newNight(t).r.Signer
	n.r.Signer = other
	now, _ := n.look()
	_, err := other.Verifier().VerifyOrder(now.Status.Doze.Thaw, n.now)
	assert.NoError(t, err)
}

func TestADesktopThatIsAlwaysOnDozesOnlyWhereItsSessionSaysSo(t *testing.T) {
	n := newNight(t)
	change := func(f func(*v1alpha1.VDISessionSpec)) {
		s := n.session()
		f(&s.Spec)
		require.NoError(t, n.r.Client.Update(t.Context(), s))
	}
	change(func(s *v1alpha1.VDISessionSpec) { s.Power = v1alpha1.PowerAlwaysOn })
	now, _ := n.passes(dozeSoon)
	require.Nil(t, now.Status.Doze)
	change(func(s *v1alpha1.VDISessionSpec) {
		s.Lifecycle = &v1alpha1.Lifecycle{DozeAfter: v1alpha1.NewDuration(dozeSoon)}
	})
	n.look()
	now, _ = n.passes(30 * time.Second) // the notice of an edit
	require.NotNil(t, now.Status.Doze)
	n.look()
	now, _ = n.passes(100 * time.Hour)
	n.wants(now, v1alpha1.PhaseDozing, "")
}

func TestADeletedSessionsDesktopIsThawedFirst(t *testing.T) {
	n := dozing(t)
	n.remains = "a pod"
	require.NoError(t, n.r.Client.Delete(t.Context(), n.session()))
	now, _ := n.look()
	assert.False(t, n.program.Frozen(thePod))
	assert.Nil(t, now.Status.Doze)
	assert.Equal(t, v1alpha1.PhaseTerminating, now.Status.Phase)
}

func TestADozingDesktopGivesWayToAChangeThatWaitsForItsSleep(t *testing.T) {
	n := dozing(t)
	n.fits = false
	n.look() // Apply took the desktop for live, and left the change waiting
	now, _ := n.look()
	assert.Equal(t, v1alpha1.ReasonGaveWay, now.Status.SleepReason)
	assert.False(t, n.program.Frozen(thePod))
}

// answers makes the program answer every order so, and obey none.
func (n *night) answers(status int) {
	n.program.Before(func(w http.ResponseWriter, _ token.Order) bool {
		http.Error(w, "no", status)
		return true
	})
}

// A program may take no order of this operator's, with a clock or a key that is wrong, or see none
// of the node's pods: then nothing is frozen, and nobody's desktop is taken for lost.
func TestADesktopThatWasNeverFrozenIsNotLost(t *testing.T) {
	for name, status := range map[string]int{"orders are refused": http.StatusForbidden, "no such pod": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			n := newNight(t)
			n.answers(status)
			n.passes(dozeSoon)
			now, again := n.look()
			assert.Nil(t, now.Status.Doze)
			n.says(now, metav1.ConditionFalse, v1alpha1.ReasonFreezeFailed)
			assert.Greater(t, again, unsureRetry, "asked for ever")

			n = newNight(t)
			n.answers(status)
			n.passes(dozeSoon)
			n.returns()
			now, _ = n.look()
			assert.Nil(t, now.Status.Doze)
			n.wants(now, v1alpha1.PhaseRunning, "")
		})
	}
	t.Run("it cannot, and finds no pod to thaw", func(t *testing.T) {
		n := newNight(t)
		n.program.Before(func(w http.ResponseWriter, o token.Order) bool {
			http.Error(w, "no", map[token.Action]int{token.ActionFreeze: http.StatusServiceUnavailable, token.ActionThaw: http.StatusNotFound}[o.Action])
			return true
		})
		n.passes(dozeSoon)
		now, _ := n.look()
		assert.Nil(t, now.Status.Doze)
	})
}

func TestWhatMayBeFrozenIsNotTakenForRunning(t *testing.T) {
	t.Run("it was frozen, and the orders are refused now", func(t *testing.T) {
		n := dozing(t)
		n.answers(http.StatusForbidden)
		n.returns()
		now, _ := n.look()
		require.NotNil(t, now.Status.Doze)
		now, _ = n.passes(DozeLostAfter)
		assert.True(t, now.Status.Doze.Lost)
	})
	t.Run("by an order whose answer was lost", func(t *testing.T) {
		n := newNight(t)
		n.passes(dozeSoon)
		n.program.Before(func(http.ResponseWriter, token.Order) bool { panic(http.ErrAbortHandler) })
		now, again := n.look()
		require.NotNil(t, now.Status.Doze)
		require.Equal(t, unsureRetry, again)
		n.answers(http.StatusForbidden)
		now, _ = n.passes(unsureRetry)
		require.NotNil(t, now.Status.Doze)
		n.program.Before(nil)
		now, _ = n.passes(unsureRetry)
		assert.NotNil(t, now.Status.Doze.FrozenAt)
	})
	t.Run("in an earlier intent", func(t *testing.T) {
		n := dozing(t)
		n.program.Restart()
		n.programs.OnUpdate(nil, n.program.Pod())
		n.answers(http.StatusForbidden)
		n.look()
		now, _ := n.look()
		require.NotNil(t, now.Status.Doze)
		assert.Nil(t, now.Status.Doze.FrozenAt)
	})
}

func TestADesktopThatCannotBeFrozenIsTriedMoreAndMoreSeldom(t *testing.T) {
	n := newNight(t)
	sessions := n.r.Defaults.Now()
	sessions.DisconnectTimeout = v1alpha1.NewDuration(0)
	n.r.Defaults = NewDefaults(sessions)
	asked := 0
	n.program.Before(func(w http.ResponseWriter, o token.Order) bool {
		if o.Action == token.ActionThaw {
			return false
		}
		asked++
		http.Error(w, "no such freezer", http.StatusServiceUnavailable)
		return true
	})
	for end := n.now.Add(12 * time.Hour); n.now.Before(end); {
		n.passes(30 * time.Second)
	}
	assert.LessOrEqual(t, asked, 18)
	assert.GreaterOrEqual(t, asked, 12)
	n.program.Before(nil)
	n.program.Restart()
	n.programs.OnUpdate(nil, n.program.Pod())
	n.passes(time.Second)
	now, _ := n.look()
	assert.NotNil(t, now.Status.Doze, "another program is tried at once")
}

// An upgrade replaces it, or it has crashed: what is open is worth the wait.
func TestWhoWaitsForAProgramThatIsReplacedKeepsWhatIsOpen(t *testing.T) {
	n := dozing(t)
	n.programs.OnDelete(n.program.Pod())
	n.returns()
	n.look()
	now, _ := n.passes(ProgramBackWithin - time.Second)
	require.False(t, now.Status.Doze.Lost)
	n.programs.OnAdd(n.program.Pod(), false)
	now, _ = n.passes(time.Millisecond)
	assert.Nil(t, now.Status.Doze)
	n.wants(now, v1alpha1.PhaseRunning, "")
}
