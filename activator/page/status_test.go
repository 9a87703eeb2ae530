package page

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// session has been awake for five seconds, and its last sleep had this reason.
func session(reason lifecycle.Reason) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{}
	s.Status.ObservedGeneration = 1
	s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(30 * time.Minute), DisconnectTimeout: v1alpha1.NewDuration(5 * time.Minute), MaxDuration: v1alpha1.NewDuration(24 * time.Hour), StartupTimeout: v1alpha1.NewDuration(10 * time.Minute)}
	s.Status.StartTime, s.Status.SleepReason = &metav1.MicroTime{Time: noon.Add(-5 * time.Second)}, string(reason)
	return s
}

func operatorSays(s *v1alpha1.VDISession, reason, message string) {
	s.Status.Message = message
	s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
}

func TestWhatAPageIsTold(t *testing.T) {
	type how struct {
		reason, message string
		asleep, off     bool
		blocked         bool
		slept           lifecycle.Reason
		pod             *directory.Pod
		reachable       bool
		state           State
		step            Step
		says, andDetail string
		waiting         *v1alpha1.SessionWaiting
	}
	const gpu = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
	noGPU := &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: gpu}
	noImage := &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonImagePullFailed, Image: "desktop:1", Detail: "not found"}
	scheduled := &directory.Pod{Scheduled: true}
	for name, tc := range map[string]how{
		"asleep, being woken":      {asleep: true, reason: v1alpha1.ReasonAsleep, message: "A visit wakes it.", state: StateWaiting, step: StepWaking, says: textWaking},
		"no pod yet":               {reason: v1alpha1.ReasonWaking, message: "…", state: StateWaiting, step: StepWaking, says: textWaking},
		"looking for a node":       {pod: &directory.Pod{}, reason: v1alpha1.ReasonScheduling, message: "…", state: StateWaiting, step: StepPlace, says: textPlace},
		"waiting for a GPU":        {pod: &directory.Pod{}, waiting: noGPU, message: "…", state: StateWaiting, step: StepPlace, says: "Waiting for a GPU.", andDetail: gpu},
		"got the GPU a moment ago": {pod: scheduled, waiting: noGPU, message: "…", state: StateWaiting, step: StepImage, says: textImage},
		"waiting for memory": {pod: &directory.Pod{}, waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForResource, Resource: "memory"}, message: "…",
			state: StateWaiting, step: StepPlace, says: "Waiting for a node with enough memory."},
		"preparing":                  {pod: scheduled, reason: v1alpha1.ReasonPreparing, message: "…", state: StateWaiting, step: StepImage, says: textImage},
		"an image that is not there": {pod: scheduled, waiting: noImage, message: "…", state: StateWaiting, step: StepImage, blocked: true, says: "Its image cannot be pulled: desktop:1.", andDetail: "not found"},
		"a node that does not exist": {pod: &directory.Pod{}, waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonNoNodeLargeEnough, Detail: "64 of 2"}, message: "…",
			state: StateWaiting, step: StepPlace, blocked: true, says: "No machine has as much as it asks for.", andDetail: "64 of 2"},
		"older definitions": {pod: scheduled, reason: v1alpha1.ReasonImagePullFailed, message: "The desktop's image cannot be pulled: not found",
			state: StateWaiting, step: StepImage, blocked: true, says: "Its image cannot be pulled.", andDetail: "The desktop's image cannot be pulled: not found"},
		"another version's reason": {pod: scheduled, reason: "SomethingNew", message: "It waits: for this.", state: StateWaiting, step: StepImage, says: "It waits: for this."},
		"a home in use": {asleep: false, reason: v1alpha1.ReasonHomeInUse, message: "In use by session bob.",
			state: StateWaiting, step: StepWaking, blocked: true, says: "Another desktop of yours uses your files.", andDetail: "In use by session bob."},
		"its node is lost": {pod: &directory.Pod{Scheduled: true, Started: true}, message: "…", state: StateWaiting, step: StepStarting,
			waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonNodeLost, Detail: "pod ada-1 on node n-1", Until: &metav1.Time{Time: noon.Add(45 * time.Second)}},
			says:    "Its node is lost: the machine that it runs on does not answer.", andDetail: "It is given up in 46 seconds at most, unless it is back before. Then your desktop starts elsewhere, as soon as your files are free."},
		"its files are on a lost node": {message: "…", state: StateWaiting, step: StepWaking,
			waiting: &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonNodeLost, Detail: "pod ada-1 on node n-1 still has the home."},
			says:    "Its node is lost: the machine that it runs on does not answer.", andDetail: "pod ada-1 on node n-1 still has the home."},
		"starting":                    {pod: &directory.Pod{Scheduled: true, Started: true}, reason: "Starting", state: StateWaiting, step: StepStarting, says: textStarting},
		"the pod says that it starts": {pod: &directory.Pod{Scheduled: true, Listening: true}, state: StateWaiting, step: StepStarting, says: textStarting},
		"there":                       {pod: &directory.Pod{Scheduled: true}, reachable: true, state: StateReady, step: StepConnecting, says: textConnects},
		"did not start": {asleep: true, slept: lifecycle.ReasonStartup, waiting: noImage, message: "…", state: StateFailed,
			says: "It did not start within 10 minutes.", andDetail: "Its image cannot be pulled: desktop:1. not found"},
		"did not start, older definitions": {asleep: true, slept: lifecycle.ReasonStartup, reason: v1alpha1.ReasonStartupTimeout, message: "Not within 10m. Last seen: no GPU.",
			state: StateFailed, says: "It did not start in time.", andDetail: "Not within 10m. Last seen: no GPU."},
		"nobody typed":       {asleep: true, slept: lifecycle.ReasonIdle, message: "A visit wakes it.", state: StateAsleep, says: "Nobody typed or moved the pointer for 30 minutes."},
		"awake for too long": {asleep: true, slept: lifecycle.ReasonMaxDuration, state: StateAsleep, says: "It had been awake for as long as it may be."},
		"put to sleep":       {asleep: true, slept: lifecycle.ReasonSleepRequested, state: StateAsleep, says: "You, or your administrator, put it to sleep."},
		"switched off":       {asleep: true, off: true, state: StateOff, says: closing.PoweredOff.Text},
	} {
		t.Run(name, func(t *testing.T) {
			s := session(tc.slept)
			if s.Status.Waiting = tc.waiting; tc.waiting != nil {
				tc.reason = tc.waiting.Reason
			}
			operatorSays(s, tc.reason, tc.message)
			if tc.asleep {
				s.Status.StartTime, s.Status.SleepTime = nil, &metav1.MicroTime{Time: noon}
			}
			if tc.off {
				s.Spec.Power = v1alpha1.PowerOff
			}
			got := Describe(Facts{View: directory.View{Session: s, Pod: tc.pod}, Now: noon, Reachable: tc.reachable, Usually: 8 * time.Second})
			if got.State != tc.state || got.Step != tc.step || got.Summary != tc.says || got.Detail != tc.andDetail {
				t.Errorf("have %s, %s, %q, %q; want %s, %s, %q, %q", got.State, got.Step, got.Summary, got.Detail, tc.state, tc.step, tc.says, tc.andDetail)
			}
			assert.Equal(t, tc.blocked, got.Blocked, "says that somebody has to act")
			require.True(t, strings.HasPrefix(got.Message, tc.says))
			assert.True(t, strings.HasSuffix(got.Message, tc.andDetail), "message %q", got.Message)
			waits := tc.state == StateWaiting
			require.Equal(t, waits, got.UsuallyMillis == 8000)
			assert.False(t, waits && !tc.asleep && got.WaitedMillis != 5000,
				"waited %d ms, usually %d ms", got.WaitedMillis, got.UsuallyMillis)
		})
	}
}

func TestAPageIsToldWhenAnotherOneShowsTheDesktop(t *testing.T) {
	awake, asleep := session(""), session(lifecycle.ReasonIdle)
	asleep.Status.StartTime, asleep.Status.SleepTime = nil, &metav1.MicroTime{Time: noon}
	for name, tc := range map[string]struct {
		viewing   viewer.Viewing
		session   *v1alpha1.VDISession
		reachable bool
		state     State
	}{
		"it takes many":             {viewer.ViewingFree, awake, true, StateReady},
		"nobody shows it":           {viewer.ViewingOpen, awake, true, StateReady},
		"this page shows it":        {viewer.ViewingYours, awake, true, StateReady},
		"another one does":          {viewer.ViewingOthers, awake, true, StateElsewhere},
		"another one waits for it":  {viewer.ViewingOthers, awake, false, StateElsewhere},
		"it sleeps for all of them": {viewer.ViewingOthers, asleep, false, StateAsleep},
	} {
		got := Describe(Facts{View: directory.View{Session: tc.session, Pod: &directory.Pod{}}, Now: noon, Reachable: tc.reachable, Viewing: tc.viewing})
		require.Equal(t, tc.state, got.State, name)
		assert.Equal(t, tc.viewing, got.Viewing, name)
		assert.False(t, got.State == StateElsewhere && (got.Summary != textElsewhere || got.Detail != "" || got.Sleep != nil),
			"%s: told %+v", name, got)
	}
}

func TestThePageWarnsOfTheNextSleep(t *testing.T) {
	after := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(d)} }
	for name, tc := range map[string]struct {
		idle, most, awake, typed time.Duration
		power                    v1alpha1.Power
		want                     *Sleep
		report                   int64
	}{
		"nobody typed for long":     {30 * time.Minute, 24 * time.Hour, time.Hour, 29 * time.Minute, "", &Sleep{lifecycle.ReasonIdle, textSleeps[lifecycle.ReasonIdle].warns, true, 60_000, 120_000, noon.Add(time.Minute)}, 15_000},
		"a short clock warns late":  {40 * time.Second, 0, time.Hour, 10 * time.Second, "", &Sleep{lifecycle.ReasonIdle, textSleeps[lifecycle.ReasonIdle].warns, true, 30_000, 10_000, noon.Add(30 * time.Second)}, 10_000},
		"awake for long":            {30 * time.Minute, 2 * time.Hour, 119 * time.Minute, time.Minute, "", &Sleep{lifecycle.ReasonMaxDuration, textSleeps[lifecycle.ReasonMaxDuration].warns, false, 60_000, 120_000, noon.Add(time.Minute)}, 15_000},
		"a sleep that is under way": {time.Minute, 0, time.Hour, 2 * time.Minute, "", nil, 15_000},
		"no clock runs":             {0, 0, time.Hour, time.Minute, "", nil, 15_000},
		"always on":                 {time.Minute, time.Hour, time.Hour, time.Minute, v1alpha1.PowerAlwaysOn, nil, 15_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := session("")
			s.Spec.Power = tc.power
			s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(tc.idle), MaxDuration: v1alpha1.NewDuration(tc.most), DisconnectTimeout: v1alpha1.NewDuration(time.Minute)}
			s.Status.StartTime, s.Status.ReadyTime = after(-tc.awake), after(-tc.awake)
			s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: after(-tc.typed), LastConnectedTime: after(0)}
			got := Describe(Facts{View: directory.View{Session: s, Pod: &directory.Pod{}}, Now: noon, Reachable: true})
			if (got.Sleep == nil) != (tc.want == nil) || got.Sleep != nil && *got.Sleep != *tc.want || got.ReportMillis != tc.report {
				t.Errorf("told %+v, reports each %d ms; want %+v, %d ms", got.Sleep, got.ReportMillis, tc.want, tc.report)
			}
		})
	}
}

func TestEveryClockThatThePageWarnsOfHasItsSentences(t *testing.T) {
	for _, clock := range lifecycle.Clocks {
		text := textSleeps[clock.Reason]
		assert.False(t, clock.Warns && (text.warns == "" || text.slept == ""), "%s has %+v", clock.Name, text)
	}
}

func TestThePassingOfTimeIsNoChange(t *testing.T) {
	s := session("")
	s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: &metav1.MicroTime{Time: noon.Add(-time.Second)}}
	f := Facts{View: directory.View{Session: s, Pod: &directory.Pod{}}, Now: noon, Reachable: true}
	first := Describe(f)
	f.Now = noon.Add(time.Second)
	later := Describe(f)
	require.True(t, first.Same(later), "%+v", first.Sleep)
	assert.NotEqual(t, later.Sleep.InMillis, first.Sleep.InMillis,
		"%+v and %+v: want the same, said at another time", first.Sleep, later.Sleep)
	s.Status.Activity.LastInputTime = &metav1.MicroTime{Time: noon}
	assert.False(t, first.Same(Describe(f)), "an input puts the sleep off, which is a change")
}

func TestTheTimelineIsPartOfTheStatus(t *testing.T) {
	f := Facts{View: directory.View{Session: session("")}, Now: noon,
		Stamps: wake.Stamps{Requested: time.Unix(100, 0), Seen: map[metrics.Stage]time.Time{metrics.StageReached: time.Unix(101, 0)}}}
	got := Describe(f)
	require.EqualValues(t, 100_000, got.Timeline["requested"])
	assert.EqualValues(t, 101_000, got.Timeline["reached"], "timeline = %v", got.Timeline)
	raw, err := json.Marshal(got)
	require.NoError(t, err)
	assert.NotEmpty(t, raw)
}

func TestClocksAreSaidInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30 minutes", time.Hour: "1 hour", 90 * time.Minute: "1 hour 30 minutes", 24 * time.Hour: "24 hours", 40 * time.Second: "40 seconds", 61 * time.Second: "1 minute 1 second",
	} {
		assert.Equal(t, want, inWords(d), "%s is said as", d)
	}
}
