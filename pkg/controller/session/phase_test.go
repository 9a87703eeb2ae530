package session

import (
	"bytes"
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/pkg/workload"
)

// stage is a controller before a workload that says what a test wants it to say.
type stage struct {
	t   *testing.T
	ctx context.Context // of the reconciler, where it is not the test's
	now time.Time
	workload.Observation
	refusal error
	delay   workload.Delay // of what is not live
	fits    bool           // whether what is live has the wanted shape
	applied []bool         // whether each call took the desktop for live
	rested  []bool         // whether each call might take away
	rest    workload.Rested
	kept    bool   // whether the last call was to keep what fits
	scaled  []bool // whether each call made it run
	remains string // of a desktop that is deleted
	counted []string
	// unknown is how often a node's program did not tell its memory pressure.
	unknown atomic.Int32
	r       *Reconciler
}

var (
	_ workload.Workload = (*stage)(nil)
	_ Metrics           = (*stage)(nil)
)

func (s *stage) Apply(ctx context.Context, _ *v1alpha1.VDISession, _ workload.Shape, is workload.Live) (workload.Delay, error) {
	live, err := is(ctx)
	require.NoError(s.t, err)
	s.applied = append(s.applied, live)
	if live && !s.fits {
		return workload.Delay{Reason: v1alpha1.ReasonWaitingForSleep, Message: "later"}, s.refusal
	}
	return s.delay, s.refusal
}
func (s *stage) Rest(_ context.Context, _ *v1alpha1.VDISession, _ workload.Shape, keep bool, may func() bool) (workload.Rested, error) {
	s.kept = keep
	s.rested = append(s.rested, may())
	return s.rest, s.refusal
}
func (s *stage) Scale(_ context.Context, _ *v1alpha1.VDISession, awake bool, _ workload.Live) (bool, error) {
	s.scaled = append(s.scaled, awake)
	return false, nil
}
func (s *stage) Observe(context.Context, *v1alpha1.VDISession) (workload.Observation, error) {
	return s.Observation, nil
}
func (s *stage) Delete(context.Context, *v1alpha1.VDISession) (string, error) {
	return s.remains, nil
}
func (s *stage) Watched() []client.Object { return nil }
func (s *stage) Woke(from string) {
	s.counted = append(s.counted, strings.TrimSuffix("woke from "+from, " from "+metrics.WokeFromZero))
}
func (s *stage) Dozed(time.Duration) { s.counted = append(s.counted, "dozed") }
func (s *stage) DozeEnded(after time.Duration) {
	s.counted = append(s.counted, "dozed for "+after.String())
}
func (s *stage) GaveWay(to metrics.GaveWayTo) {
	s.counted = append(s.counted, "gave way to "+string(to))
}
func (s *stage) PressureUnknown()    { s.unknown.Add(1) }
func (s *stage) Slept(reason string) { s.counted = append(s.counted, "slept "+reason) }
func (s *stage) Started(took time.Duration) {
	s.counted = append(s.counted, "started in "+took.String())
}

// waitsFor wants this in status.waiting; the zero value is nothing.
func (s *stage) waitsFor(now *v1alpha1.VDISession, want v1alpha1.SessionWaiting) {
	s.t.Helper()
	var got v1alpha1.SessionWaiting
	if now.Status.Waiting != nil {
		got = *now.Status.Waiting
	}
	assert.Equal(s.t, want.Since.Unix(), got.Since.Unix(), "waits since %s, want %s", got.Since, want.Since)
	got.Since = want.Since
	assert.Equal(s.t, want, got, "waits")
}

var key = client.ObjectKey{Namespace: "team", Name: "ada"}

// newStage is a session that was prepared and sleeps.
func newStage(t *testing.T) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	session := &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: "1-2-3", Generation: 1},
		Spec:       v1alpha1.VDISessionSpec{User: "ada@example.com", Template: "egl"},
	}
	template := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "egl"}, Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1"}}
	s := &stage{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Observation: workload.Observation{Exists: true}}
	cfg := config.Default()
	cfg.URL.Domain = "vdi.example.com"
	s.r = &Reconciler{
		Client:   fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(session).WithObjects(session, template).Build(),
		Workload: s, Metrics: s, Config: cfg, Defaults: NewDefaults(cfg.Sessions), Signer: tokentest.Signer(t), Events: events.NewFakeRecorder(100), Now: func() time.Time { return s.now },
	}
	s.look()
	return s
}

// look reconciles once and returns the session and when the controller comes back.
func (s *stage) look() (*v1alpha1.VDISession, time.Duration) {
	s.t.Helper()
	result, err := s.r.Reconcile(cmp.Or[context.Context](s.ctx, s.t.Context()), ctrl.Request{NamespacedName: key})
	require.NoError(s.t, err)
	return s.session(), result.RequeueAfter
}

func (s *stage) session() *v1alpha1.VDISession {
	s.t.Helper()
	session := &v1alpha1.VDISession{}
	require.NoError(s.t, s.r.Client.Get(s.t.Context(), key, session))
	return session
}

func (s *stage) visit() {
	s.t.Helper()
	session := s.session()
	base := session.DeepCopy()
	at := metav1.NewMicroTime(s.now)
	session.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &at, LastConnectedTime: &at}
	require.NoError(s.t, s.r.Client.Status().Patch(s.t.Context(), session, client.MergeFrom(base)))
}

// pod is one that kubelet probes at its address.
func (s *stage) pod(ready corev1.ConditionStatus) {
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
	s.Pods = 1
	s.Pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "ada-1"},
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, ReadinessProbe: probe}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

// knativePod is one that Knative's proxy beside the desktop takes for ready, since started.
func (s *stage) knativePod(started time.Time) {
	s.pod(corev1.ConditionTrue)
	s.Pod.Spec.Containers[0].ReadinessProbe = nil
	s.Pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}}}}
}

// records changes the session's status, as somebody else than the controller does.
func (s *stage) records(change func(*v1alpha1.VDISessionStatus)) {
	s.t.Helper()
	session := s.session()
	base := session.DeepCopy()
	change(&session.Status)
	require.NoError(s.t, s.r.Client.Status().Patch(s.t.Context(), session, client.MergeFrom(base)))
}

// newWokenStage is one whose session somebody has visited.
func newWokenStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	s.look()
	s.visit()
	s.look()
	return s
}

// reached is an activator's record.
func (s *stage) reached(at time.Time) {
	s.t.Helper()
	s.records(func(st *v1alpha1.VDISessionStatus) { st.Activity.LastReachedTime = &metav1.MicroTime{Time: at} })
}

// stays lets a visitor wait for longer than the startup timeout.
func (s *stage) stays() {
	s.t.Helper()
	for range 12 {
		s.now = s.now.Add(time.Minute)
		at := metav1.NewMicroTime(s.now)
		s.records(func(st *v1alpha1.VDISessionStatus) { st.Activity.LastConnectedTime = &at })
		s.look()
	}
}

func (s *stage) wants(have *v1alpha1.VDISession, phase v1alpha1.Phase, says string) {
	s.t.Helper()
	require.Equal(s.t, phase, have.Status.Phase)
	assert.Contains(s.t, have.Status.Message, says)
}

func TestADesktopThatIsReadyByItsOwnAccountOnlyIsNotReady(t *testing.T) {
	s := newWokenStage(t)
	s.knativePod(s.now)
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseCreating, "nobody has reached its port")
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
	require.Nil(t, now.Status.ReadyTime)
	require.Equal(t, metav1.ConditionFalse, c.Status)
	assert.Equal(t, v1alpha1.ReasonNotReached, c.Reason, "ready since, %+v", c)
	s.now = s.now.Add(3 * time.Second)
	s.reached(s.now)
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	require.NotNil(t, now.Status.LastStartDuration)
	assert.GreaterOrEqual(t, now.Status.LastStartDuration.Duration, 3*time.Second,
		"started in %v, want the time until it was reached", now.Status.LastStartDuration)
	// Its program starts again, and is reached by nobody.
	s.knativePod(s.now.Add(2 * time.Second))
	s.now = s.now.Add(4 * time.Second)
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "nobody has reached")
}

func TestADesktopThatIsReachedInAYearIsNotReached(t *testing.T) {
	s := newWokenStage(t)
	s.knativePod(s.now)
	s.reached(s.now.AddDate(1, 0, 0))
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseCreating, "nobody has reached its port")
}

func TestADesktopThatWasReadyBeforeAnUpgradeStaysSo(t *testing.T) {
	s := newWokenStage(t)
	s.knativePod(s.now)
	s.records(func(st *v1alpha1.VDISessionStatus) { st.ReadyTime = &metav1.MicroTime{Time: s.now} })
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
}

func TestADesktopThatNobodyReachesFailsToStart(t *testing.T) {
	s := newWokenStage(t)
	s.knativePod(s.now)
	s.look()
	s.stays()
	s.wants(s.session(), v1alpha1.PhaseFailed, "It must listen at all addresses (0.0.0.0)")
}

func TestADesktopIsReadyBeforeKubeletSaysSoIfItWasReached(t *testing.T) {
	s := newWokenStage(t)
	s.knativePod(s.now)
	s.Pod.Status.Conditions[0].Status = corev1.ConditionFalse
	s.reached(s.now.Add(time.Second))
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
}

func TestASessionsLifeInPhasesAndWords(t *testing.T) {
	s := newStage(t)
	now, again := s.look()
	s.wants(now, v1alpha1.PhaseAsleep, "A visit wakes it.")
	assert.Zero(t, again, "comes back although nothing is due")

	s.visit()
	now, again = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "scheduled")
	assert.Equal(t, 5*time.Minute, again, "comes back, want at the disconnect timeout")
	s.pod(corev1.ConditionFalse)
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "none is free.", Message: "Waiting for a GPU: none is free.", Stuck: true}
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "Waiting for a GPU: none is free.")
	s.waitsFor(now, v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "none is free.", Since: metav1.NewTime(s.now)})

	s.now = s.now.Add(3 * time.Second)
	s.Progress.Detail = "none of two is free."
	now, _ = s.look()
	s.waitsFor(now, v1alpha1.SessionWaiting{
		Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "none of two is free.", Since: metav1.NewTime(s.now.Add(-3 * time.Second))})
	s.pod(corev1.ConditionTrue)
	s.Progress = workload.Progress{}
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	s.waitsFor(now, v1alpha1.SessionWaiting{})
	require.Equal(t, "ada-1", now.Status.PodName)
	assert.NotNil(t, now.Status.ReadyTime, "status %+v", now.Status)

	s.now = s.now.Add(5 * time.Minute)
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseAsleep, "shutting down")
	took := now.Status.LastStartDuration
	require.NotNil(t, took)
	assert.Equal(t, 3*time.Second, took.Duration, "the last start took %v, want 3s also after the sleep", took)
	if now.Status.SleepReason != "DisconnectTimeout" || now.Status.SleepTime == nil || now.Status.StartTime != nil || now.Status.PodName != "" {
		t.Errorf("status %+v", now.Status)
	}
	assert.Equal(t, "woke, started in 3s, slept DisconnectTimeout", strings.Join(s.counted, ", "), "counted")
	now, _ = s.look() // What waited for the sleep is applied now.
	version := now.ResourceVersion
	now, _ = s.look()
	assert.Equal(t, version, now.ResourceVersion, "nothing changed, and it was written all the same")
}

func TestARequestPutsADesktopToSleepOnceAndOnlyAPersonWakesIt(t *testing.T) {
	s := newStage(t)
	var lines bytes.Buffer
	s.r.Audit = audit.New(&lines, true)
	s.visit()
	s.look()
	asks := func(change func(*v1alpha1.VDISession)) {
		session := s.session()
		change(session)
		require.NoError(t, s.r.Client.Update(t.Context(), session))
	}
	s.now = s.now.Add(time.Second)
	asks(func(o *v1alpha1.VDISession) { o.Spec.SleepAt = lifecycle.RequestTime(s.now, o) })
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseAsleep, "A visit wakes it.")
	assert.Equal(t, v1alpha1.ReasonSleepRequested, now.Status.SleepReason)
	assert.True(t, lifecycle.NeedsPerson(now))
	s.now = s.now.Add(time.Minute)
	asks(func(o *v1alpha1.VDISession) { o.Spec.SleepAt = lifecycle.RequestTime(s.now, o) })
	now, _ = s.look()
	assert.True(t, s.now.Equal(now.Status.SleepTime.Time), "a sleep that is asked for again ends the visits before it")
	version := now.ResourceVersion
	now, _ = s.look()
	assert.Equal(t, version, now.ResourceVersion)
	assert.Equal(t, "woke, slept SleepRequested", strings.Join(s.counted, ", "))
	assert.Regexp(t, `^{.*"event":"wake","via":"operator","session":"ada",.*"reason":"Visited"}\n{.*"event":"sleep",.*"reason":"SleepRequested"}\n$`, lines.String())

	asks(func(o *v1alpha1.VDISession) { o.Spec.WakeAt = lifecycle.RequestTime(s.now, o) })
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "")
}

func TestAFailedStartSaysWhatWasSeenAndAVisitTriesAgain(t *testing.T) {
	s := newStage(t)
	s.visit()
	s.look()
	s.pod(corev1.ConditionFalse)
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonImagePullFailed, Image: "desktop:1", Detail: "no such tag", Message: "The desktop's image cannot be pulled: no such tag", Stuck: true}
	s.look()
	s.stays()
	s.Pod, s.Pods, s.Progress = nil, 0, workload.Progress{}
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseFailed, "did not start within 10m. Last seen: The desktop's image cannot be pulled: no such tag. Visit it")
	s.now = s.now.Add(time.Hour)
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseFailed, "no such tag")
	if w := now.Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonImagePullFailed || w.Image != "desktop:1" || w.Detail != "no such tag" {
		t.Errorf("of the failed start is kept %+v", w)
	}
	s.visit()
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "")
	s.waitsFor(now, v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaking, Since: metav1.NewTime(s.now)})
}

func TestTheLogHasEachWakeSleepAndFailureOnce(t *testing.T) {
	s, said := newStage(t), []string{}
	s.ctx = log.IntoContext(t.Context(), funcr.New(func(_, args string) { said = append(said, args) }, funcr.Options{}))
	says := func(want ...string) {
		t.Helper()
		s.look()
		require.Len(t, said, len(want), "%q", said)
		for i, part := range want {
			assert.Contains(t, said[i], part)
		}
		said = said[:0]
	}
	says()
	s.visit()
	says(`"the desktop wakes" "reason"="Visited"`)
	s.reached(s.now)
	s.knativePod(s.now)
	says()
	s.now = s.now.Add(time.Hour)
	says(`"the desktop goes to sleep" "reason"="DisconnectTimeout"`)
	s.now = s.now.Add(time.Minute)
	s.visit()
	says(`"the desktop wakes"`)
	s.knativePod(s.now)
	says()
	s.stays()
	require.Len(t, said, 1, "%q", said)
	assert.Contains(t, said[0], `"the session has failed" "reason"="StartupTimeout" "message"="The desktop did not start within 10m`)
	said = said[:0]
	says()
}

func TestAHomeThatIsNotLetGoOfInTimeIsSaidWithTheRemedy(t *testing.T) {
	s := newStage(t)
	s.visit()
	until := metav1.NewTime(s.now.Add(30 * time.Second))
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonHomeFinishing, Until: &until, Detail: "until then", Message: "Ending: until then", Overdue: "Do this."}
	now, after := s.look()
	s.wants(now, v1alpha1.PhaseCreating, "Ending: until then")
	s.waitsFor(now, v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonHomeFinishing, Detail: "until then", Since: metav1.NewTime(s.now), Until: now.Status.Waiting.Until})
	assert.Equal(t, 30*time.Second+workload.OverdueAfter, after, "nothing else brings it back")
	since := s.now
	s.now = s.now.Add(after)
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "The last use of the home does not end: Do this.")
	s.waitsFor(now, v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonHomeFinishing, Detail: "Do this.", Since: metav1.NewTime(since), Until: now.Status.Waiting.Until})
	before := now.ResourceVersion
	s.now = s.now.Add(time.Minute)
	now, _ = s.look()
	assert.Equal(t, before, now.ResourceVersion, "it is written again and again")
}

func TestADesktopThatLosesItsPodHasToStartAgainInTimeAndMayBeMended(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionTrue)
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	s.now = s.now.Add(time.Hour)
	at := metav1.NewMicroTime(s.now)
	s.records(func(st *v1alpha1.VDISessionStatus) { st.Activity.LastConnectedTime = &at })
	s.Pod, s.Pods = nil, 0
	now, _ = s.look()
	s.wants(now, v1alpha1.PhaseCreating, "")
	require.NotNil(t, now.Status.LostTime)
	s.pod(corev1.ConditionFalse)
	s.Pod.Name = "ada-2"
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonImagePullFailed, Detail: "no such tag", Message: "The desktop's image cannot be pulled: no such tag", Stuck: true}
	s.look()
	assert.False(t, s.applied[len(s.applied)-1], "a change that may mend it is held back")
	s.stays()
	s.wants(s.session(), v1alpha1.PhaseFailed, "lost its pod and did not start again within 10m. Last seen: The desktop's image cannot be pulled")
}

func TestADesktopThatComesBackInAnotherPodStartedFromTheLossOfTheFirst(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionTrue)
	s.look()
	s.now = s.now.Add(time.Minute)
	s.pod(corev1.ConditionFalse)
	s.Pod.Name = "ada-2"
	s.look()
	s.now = s.now.Add(2 * time.Second)
	s.pod(corev1.ConditionTrue)
	s.Pod.Name = "ada-2"
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	assert.Equal(t, 2*time.Second, now.Status.LastStartDuration.Duration)
}

func TestAVisitFromAClockThatIsAheadDoesNotWakeTwice(t *testing.T) {
	s := newStage(t)
	s.now = s.now.Add(time.Hour)
	s.visit()
	s.now = s.now.Add(-time.Hour)
	s.look()
	session := s.session()
	session.Spec.Power = v1alpha1.PowerOff
	require.NoError(t, s.r.Client.Update(t.Context(), session))
	s.look()
	session = s.session()
	session.Spec.Power = v1alpha1.PowerOnDemand
	require.NoError(t, s.r.Client.Update(t.Context(), session))
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseAsleep, "")
}

func TestALostStatusOfARunningDesktopMeansAwake(t *testing.T) {
	s := newStage(t)
	session := s.session()
	session.Status = v1alpha1.VDISessionStatus{}
	require.NoError(t, s.r.Client.Status().Update(t.Context(), session))
	s.pod(corev1.ConditionTrue)
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	require.NotNil(t, now.Status.StartTime)
	assert.True(t, now.Status.StartTime.Time.Equal(s.now), "start time %v", now.Status.StartTime)
}

func TestAChangeIsAppliedToADesktopThatSleepsOrIsStuck(t *testing.T) {
	s := newStage(t)
	last := func() bool { return s.applied[len(s.applied)-1] }
	s.look()
	assert.Empty(t, s.applied, "what sleeps is left alone")
	s.visit()
	s.look()
	assert.False(t, last(), "a wake takes what has changed meanwhile")
	now, _ := s.look()
	require.True(t, last(), "a wake that is recorded was not taken for live")
	assert.True(t, meta.IsStatusConditionFalse(now.Status.Conditions, v1alpha1.ConditionUpToDate))
	s.pod(corev1.ConditionFalse)
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonImagePullFailed, Message: "x", Stuck: true}
	if s.look(); last() {
		t.Error("a start that is stuck was taken for live")
	}
	s.pod(corev1.ConditionTrue)
	s.look()
	s.pod(corev1.ConditionFalse)
	if s.look(); !last() {
		t.Error("a desktop that was reachable was not taken for live")
	}
}

func TestADesktopStopsAndChangesOnlyOnceItsSleepIsRecorded(t *testing.T) {
	s := newStage(t)
	last := func(of []bool) bool { return of[len(of)-1] }
	if s.look(); last(s.scaled) {
		t.Error("what is asleep was made to run")
	}
	s.visit()
	if s.look(); !last(s.scaled) {
		t.Error("a visit did not make it run at once")
	}
	s.pod(corev1.ConditionTrue)
	s.look()
	s.now = s.now.Add(5 * time.Minute)
	before := len(s.scaled)
	if now, _ := s.look(); now.Status.StartTime != nil || len(s.scaled) != before || last(s.rested) {
		t.Errorf("in the pass that records its sleep: start %v, scaled %d times, taken away %t", now.Status.StartTime, len(s.scaled)-before, last(s.rested))
	}
	s.look()
	assert.False(t, last(s.scaled), "after its sleep was recorded it was not stopped")
	assert.False(t, last(s.rested), "taken away while a pod ends")
	s.Pod, s.Pods = nil, 0
	s.look()
	assert.True(t, last(s.rested))
}

func TestWhatADesktopRanOnIsKeptForAWhileAndThenGoesInItsTurn(t *testing.T) {
	s := newWokenStage(t)
	s.r.Tidying = rate.NewLimiter(0, 1)
	s.pod(corev1.ConditionTrue)
	s.look()
	require.NoError(t, s.r.Client.Get(t.Context(), tokens, &corev1.Secret{}))
	s.now = s.now.Add(5 * time.Minute)
	s.look()
	s.Pod, s.Pods, s.rest = nil, 0, workload.Rested{Left: true, Fits: true}
	slept := s.now
	s.now = s.now.Add(time.Hour)
	now, again := s.look()
	assert.Equal(t, slept.Add(24*time.Hour), s.now.Add(again), "comes back when it is not kept any longer")
	assert.True(t, s.kept)
	version := now.ResourceVersion
	s.now = slept.Add(24 * time.Hour)
	s.rest.Fits = false
	now, again = s.look()
	assert.False(t, s.kept)
	assert.NotZero(t, again, "its turn has not come")
	assert.Equal(t, version, now.ResourceVersion, "a sleeping session was written to")
	require.NoError(t, s.r.Client.Get(t.Context(), tokens, &corev1.Secret{}))
	s.rest = workload.Rested{}
	now, again = s.look()
	assert.Zero(t, again)
	assert.Equal(t, version, now.ResourceVersion, "a sleeping session was written to")
	require.True(t, apierrors.IsNotFound(s.r.Client.Get(t.Context(), tokens, &corev1.Secret{})), "its tokens")
}

func TestHowALiveDesktopIsSpokenToChangesWithItsShape(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionTrue)
	s.look()
	template := &v1alpha1.VDITemplate{}
	require.NoError(t, s.r.Client.Get(t.Context(), client.ObjectKey{Name: "egl"}, template))
	template.Spec.Streaming.Port = 9999
	require.NoError(t, s.r.Client.Update(t.Context(), template))
	now, _ := s.look()
	assert.NotEqual(t, int32(9999), now.Status.Streaming.Port, "live")
	s.now = s.now.Add(5 * time.Minute)
	now, _ = s.look()
	assert.NotEqual(t, int32(9999), now.Status.Streaming.Port, "its pod ends")
	s.Pod, s.Pods = nil, 0
	now, _ = s.look()
	assert.Equal(t, int32(9999), now.Status.Streaming.Port, "asleep")
}

var tokens = client.ObjectKey{Namespace: key.Namespace, Name: workload.TokenSecretName(key.Name)}

func TestADesktopWithoutATemplateWakesAndSleepsAllTheSame(t *testing.T) {
	s := newStage(t)
	require.NoError(t, s.r.Client.Delete(t.Context(), &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "egl"}}))
	s.visit()
	if s.look(); !s.scaled[len(s.scaled)-1] {
		t.Error("it was not made to run")
	}
}

func TestAChangeoverIsSaidAndLookedAtAgain(t *testing.T) {
	s := newStage(t)
	s.visit()
	s.delay = workload.Delay{Reason: v1alpha1.ReasonChangingOver, Message: "waiting for the old one to be gone.", Again: time.Second}
	now, again := s.look()
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionUpToDate)
	require.Equal(t, metav1.ConditionFalse, c.Status)
	require.Equal(t, v1alpha1.ReasonChangingOver, c.Reason)
	assert.Equal(t, s.delay.Message, c.Message, "condition %+v", c)
	assert.Equal(t, time.Second, again, "comes back")
}

func TestARefusalIsAConditionWithTheServersWords(t *testing.T) {
	s := newStage(t)
	s.Exists = false
	s.refusal = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "ada", errText("quota exceeded"))
	now, again := s.look()
	s.wants(now, v1alpha1.PhaseFailed, "quota exceeded")
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
	assert.Equal(t, v1alpha1.ReasonRefused, c.Reason, "condition %+v", c)
	c = meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionWorkloadApplied)
	assert.Equal(t, v1alpha1.ReasonRefused, c.Reason, "condition %+v", c)
	assert.Equal(t, refusalRetry, again, "tried again")
}

func TestAnInvalidTemplateIsNotTriedAgainBeforeItChanges(t *testing.T) {
	s := newStage(t)
	template := &v1alpha1.VDITemplate{}
	require.NoError(t, s.r.Client.Get(t.Context(), client.ObjectKey{Name: "egl"}, template))
	template.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"hostname":1}}`)}
	require.NoError(t, s.r.Client.Update(t.Context(), template))
	now, again := s.look()
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionWorkloadApplied)
	assert.Equal(t, v1alpha1.ReasonInvalidTemplate, c.Reason, "condition %+v", c)
	assert.Zero(t, again, "its change brings a pass")
}

func TestAFormerRefusalDoesNotFailASessionThatWaitsForAnotherCause(t *testing.T) {
	s := newStage(t)
	s.Exists = false
	s.refusal = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "ada", errText("quota exceeded"))
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseFailed, "quota exceeded")

	other := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "other"}, Spec: now.Spec}
	require.NoError(t, s.r.Client.Create(t.Context(), other))
	claim := &corev1.PersistentVolumeClaim{}
	home := client.ObjectKey{Namespace: key.Namespace, Name: workload.HomeName(now.Spec.User, now.Spec.Template)}
	require.NoError(t, s.r.Client.Get(t.Context(), home, claim))
	claim.Annotations[v1alpha1.AnnotationHeldBy] = other.Name
	require.NoError(t, s.r.Client.Update(t.Context(), claim))
	now, _ = s.look()
	s.wants(now, v1alpha1.PhasePending, "in use by session")

	require.NoError(t, s.r.Client.Delete(t.Context(), &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: now.Spec.Template}}))
	now, _ = s.look()
	s.wants(now, v1alpha1.PhasePending, "does not exist")
}

type errText string

func (e errText) Error() string { return string(e) }

func TestThePodsTokensAreRenewedBeforeTheyEnd(t *testing.T) {
	for key, audience := range map[string]token.Audience{"token": token.AudienceTURN, "agent": token.AudienceAgent} {
		t.Run(key, func(t *testing.T) {
			s := newStage(t)
			session := s.session()
			session.Spec.Power = v1alpha1.PowerAlwaysOn
			require.NoError(t, s.r.Client.Update(t.Context(), session))
			s.pod(corev1.ConditionTrue)
			s.look()
			secret := &corev1.Secret{}
			read := func() string {
				t.Helper()
				require.NoError(t, s.r.Client.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "ada-turn"}, secret))
				return string(secret.Data[key])
			}
			first := read()
			s.now = s.now.Add(podTokenLife - podTokenRenewal - time.Hour)
			if s.look(); read() != first {
				t.Error("renewed too early")
			}
			s.now = s.now.Add(2 * time.Hour)
			s.look()
			second := read()
			require.NotEqual(t, first, second, "not renewed")
			subject, expires, err := s.r.Signer.Verifier().Verify(audience, second, s.now)
			if err != nil || subject.Opens(s.session()) != nil || !expires.Equal(s.now.Add(podTokenLife)) {
				t.Errorf("%+v until %s: %v", subject, expires, err)
			}
			delete(secret.Data, key)
			require.NoError(t, s.r.Client.Update(t.Context(), secret))
			if s.look(); read() == "" {
				t.Error("one that was taken away is not made again")
			}
		})
	}
}

func TestAStartIsCountedOnceThoughTheCacheIsBehind(t *testing.T) {
	s := newStage(t)
	s.visit()
	s.look()
	stale := s.session()
	s.pod(corev1.ConditionTrue)
	s.look()
	s.r.Client = interceptor.NewClient(s.r.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if session, is := o.(*v1alpha1.VDISession); is {
				stale.DeepCopyInto(session)
				return nil
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	_, after := s.look()
	assert.NotEqualValues(t, 0, after, "it does not look again")
	starts := 0
	for _, c := range s.counted {
		if strings.HasPrefix(c, "started") {
			starts++
		}
	}
	assert.Equal(t, 1, starts, "counted %v, want one start", s.counted)
}

func TestATemplateThatShortensAClockWarnsWhoIsThere(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionTrue)
	s.look()
	s.now = s.now.Add(4 * time.Minute)
	template := &v1alpha1.VDITemplate{}
	require.NoError(t, s.r.Client.Get(t.Context(), client.ObjectKey{Name: "egl"}, template))
	template.Spec.Lifecycle = &v1alpha1.Lifecycle{MaxDuration: v1alpha1.NewDuration(time.Minute)}
	require.NoError(t, s.r.Client.Update(t.Context(), template))
	now, again := s.look()
	s.wants(now, v1alpha1.PhaseRunning, "")
	assert.Equal(t, 15*time.Second, again, "a quarter of a minute is the warning")
	s.now = s.now.Add(again)
	now, _ = s.look()
	assert.Equal(t, string(lifecycle.ReasonMaxDuration), now.Status.SleepReason)
	assert.Nil(t, now.Status.Shortened)
}
