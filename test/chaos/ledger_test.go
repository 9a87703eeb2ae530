package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// tale is what a ledger is told; each version has the next revision.
type tale struct {
	*Ledger
	t        *testing.T
	revision int
	now      time.Time
}

func tell(t *testing.T) *tale {
	return &tale{Ledger: NewLedger("t-", NewHealth()), t: t, now: time.Now().Add(-time.Minute)}
}

func (s *tale) next() string {
	s.revision++
	return fmt.Sprint(s.revision)
}

// session is a version of ada's session.
func (s *tale) session(change func(*v1alpha1.VDISession)) {
	one := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "t-a", Name: "ada", UID: "ada", ResourceVersion: s.next()}}
	one.Status.ObservedGeneration = 1
	one.Status.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(10 * time.Second), IdleTimeout: v1alpha1.NewDuration(10 * time.Second),
		MaxDuration: v1alpha1.NewDuration(time.Minute), StartupTimeout: v1alpha1.NewDuration(10 * time.Second)}
	change(one)
	s.SawSession(one, s.now, false)
	s.Reached(uint64(s.revision))
}

func (s *tale) at(d time.Duration) *metav1.MicroTime {
	return &metav1.MicroTime{Time: s.now.Add(d).Truncate(time.Microsecond)}
}

func (s *tale) awake() {
	s.session(func(o *v1alpha1.VDISession) {
		o.Status.StartTime, o.Status.ReadyTime = s.at(-15*time.Second), s.at(-14*time.Second)
	})
}

func (s *tale) asleep(reason string) {
	s.session(func(o *v1alpha1.VDISession) { o.Status.SleepTime, o.Status.SleepReason = s.at(0), reason })
}

// pod is a version of one of ada's pods.
func (s *tale) pod(name string, change func(*corev1.Pod)) {
	one := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "t-a", Name: name, UID: types.UID(name), ResourceVersion: s.next(), Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "1"}}, Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: homes + "1"}}}}}}
	change(one)
	s.SawPod(one, s.now)
}

func (s *tale) made(name string) { s.pod(name, func(*corev1.Pod) {}) }

// ready and ends are of the first of them.
func (s *tale) ready() {
	s.pod("first", func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	})
}

func (s *tale) ends() {
	s.pod("first", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: s.now} })
}

// breaks is the invariant that is broken, with these words; empty for none.
func (s *tale) breaks(invariant, words string) {
	s.t.Helper()
	s.Reached(uint64(s.revision))
	broken, waits := s.Broken(time.Now())
	assert.False(s.t, waits)
	if invariant == "" {
		assert.Empty(s.t, broken)
		return
	}
	require.Len(s.t, broken, 1)
	assert.Equal(s.t, invariant, broken[0].Invariant)
	assert.Equal(s.t, "t-a/ada", broken[0].Session)
	assert.Contains(s.t, broken[0].What, words)
}

func TestTwoPodsOnOneHome(t *testing.T) {
	s := tell(t)
	s.awake()
	s.made("first")
	s.made("second")
	s.breaks(OnePodPerHome, "pod t-a/second of session ada was made while pod first")
}

func TestAPodAfterOneThatIsGoneHasTheHomeAlone(t *testing.T) {
	s := tell(t)
	s.awake()
	s.made("first")
	s.GonePod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "first"}}, 2, s.now)
	s.made("second")
	s.breaks("", "")
}

func TestAPodThatAStepTookAwayIsReplacedByKubernetesItself(t *testing.T) {
	s := tell(t)
	s.awake()
	s.made("first")
	s.Killed("first")
	s.made("second")
	s.breaks("", "")
}

func TestAPodOfAShapeThatIsAskedForNoMoreEndsBesideTheNext(t *testing.T) {
	for image, breaks := range map[string]string{"1": "", "2": OnePodPerHome} {
		t.Run("image "+image, func(t *testing.T) {
			s := tell(t)
			s.awake()
			s.deployment("1", 1)
			s.deployment("2", 1)
			s.pod("first", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Image: image}} })
			s.made("second")
			s.breaks(breaks, "")
		})
	}
}

func TestAPodThatItsReplicaSetReplacesAfterAnOutageIsKubernetesDoingUnlessTheOperatorAsksForAnother(t *testing.T) {
	for name, c := range map[string]struct {
		outage, ends, asks bool
		breaks             string
	}{
		"after an outage":             {outage: true, ends: true},
		"without one":                 {ends: true, breaks: OnePodPerHome},
		"beside one that goes on":     {outage: true, breaks: OnePodPerHome},
		"as the operator asks for it": {outage: true, ends: true, asks: true, breaks: OnePodPerHome},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.awake()
			s.deployment("1", 1)
			ofOne := func(p *corev1.Pod) {
				p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", UID: "r", Controller: new(true)}}
			}
			s.pod("first", ofOne)
			if c.outage {
				s.Gap(uint64(s.revision)-1, uint64(s.revision)+1)
			}
			if c.ends {
				s.pod("first", func(p *corev1.Pod) { ofOne(p); p.DeletionTimestamp = &metav1.Time{Time: s.now} })
			}
			if c.asks {
				s.deployment("1", 0)
				s.deployment("1", 1)
			}
			s.pod("second", ofOne)
			s.breaks(c.breaks, "")
		})
	}
}

func TestAPodThatAStepTookAwayIsNoExcuseWhereTheOperatorAsksForAnother(t *testing.T) {
	s := tell(t)
	s.awake()
	s.deployment("1", 1)
	s.made("first")
	s.Killed("first")
	s.deployment("1", 0)
	s.deployment("1", 1)
	s.made("second")
	s.breaks(OnePodPerHome, "killed by a step: true")
}

func TestWhatIsNotSeenYetIsNotJudged(t *testing.T) {
	s := tell(t)
	s.awake()
	s.made("first")
	s.made("second")
	broken, waits := s.Broken(time.Now())
	assert.Empty(t, broken)
	assert.True(t, waits)
}

func TestAPodOfAnAwakeSessionIsTakenAway(t *testing.T) {
	s := tell(t)
	s.awake()
	s.ready()
	s.ends()
	s.breaks(NoRestartInUse, "pod t-a/first of the awake session ada")
}

func TestAPodMayGo(t *testing.T) {
	for name, why := range map[string]func(*tale){
		"after a sleep": func(s *tale) {
			s.session(func(o *v1alpha1.VDISession) {
				o.Spec.Power = v1alpha1.PowerOff
				o.Status.StartTime = s.at(-15 * time.Second)
			})
			s.asleep(v1alpha1.ReasonPoweredOff)
		},
		"by a step":         func(s *tale) { s.Killed("first") },
		"after a crash":     func(s *tale) { s.Crashed("first") },
		"without a session": func(s *tale) { s.GoneSession("ada") },
		"deleted with its session": func(s *tale) {
			s.session(func(o *v1alpha1.VDISession) {
				o.DeletionTimestamp = &metav1.Time{Time: s.now}
				o.Status.StartTime = s.at(-time.Minute)
			})
		},
		"unseen":             func(s *tale) { s.Gap(2, 3) },
		"its status is lost": func(s *tale) { s.session(func(o *v1alpha1.VDISession) { o.Status = v1alpha1.VDISessionStatus{} }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.awake()
			s.ready()
			why(s)
			s.ends()
			s.breaks("", "")
		})
	}
}

// A wake is recorded after its pod was asked for: an administrator may have changed his mind before.
func TestAPodOfASessionThatSleptAllTheTimeMayGoUnlessSomebodyAsksForIt(t *testing.T) {
	for name, c := range map[string]struct {
		power   v1alpha1.Power
		visited time.Duration
		breaks  string
	}{
		"switched on and off":            {v1alpha1.PowerOff, -2 * time.Minute, ""},
		"switched on, and then left":     {v1alpha1.PowerOnDemand, -2 * time.Minute, ""},
		"visited, and not switched off":  {v1alpha1.PowerOnDemand, 0, NoRestartInUse},
		"switched on, and not off again": {v1alpha1.PowerAlwaysOn, -2 * time.Minute, NoRestartInUse},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			version := func(power v1alpha1.Power, visited time.Duration) {
				s.session(func(o *v1alpha1.VDISession) {
					o.Spec.Power = power
					o.Status.SleepTime, o.Status.SleepReason = s.at(-time.Minute), v1alpha1.ReasonPoweredOff
					o.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: s.at(visited)}
				})
			}
			version(v1alpha1.PowerAlwaysOn, -2*time.Minute)
			s.made("first")
			version(c.power, c.visited)
			s.ready()
			s.ends()
			s.breaks(c.breaks, "")
		})
	}
}

// Kubernetes may learn late that a sleeping desktop's pod is to end: the next start waits for that.
func TestAPodMayGoForWhoseEndItsSessionWaits(t *testing.T) {
	for name, c := range map[string]struct{ waits, breaks string }{
		"it waits for the end": {v1alpha1.ReasonHomeFinishing, ""},
		"it waits for a node":  {v1alpha1.ReasonScheduling, NoRestartInUse},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.asleep(v1alpha1.ReasonPoweredOff)
			s.made("first")
			s.ready()
			s.session(func(o *v1alpha1.VDISession) {
				o.Status.StartTime = s.at(0)
				o.Status.Waiting = &v1alpha1.SessionWaiting{Reason: c.waits}
			})
			s.ends()
			s.breaks(c.breaks, "")
		})
	}
}

// deployment is a version of ada's.
func (s *tale) deployment(image string, replicas int32) {
	s.SawDeployment(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "t-a", Name: "ada", ResourceVersion: s.next()},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: image}}}}}})
}

func TestAPodMayGoWhoseSessionWaitedForItsEndBeforeItWasReady(t *testing.T) {
	for name, c := range map[string]struct {
		replicas       int32
		reason, breaks string
	}{
		"it was asked for no more":  {0, v1alpha1.ReasonHomeFinishing, ""},
		"it was asked for":          {1, v1alpha1.ReasonHomeFinishing, NoRestartInUse},
		"nobody waited for its end": {0, v1alpha1.ReasonScheduling, NoRestartInUse},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			waits := func(reason string) {
				s.session(func(o *v1alpha1.VDISession) {
					o.Status.StartTime = s.at(0)
					o.Status.Waiting = &v1alpha1.SessionWaiting{Reason: reason}
				})
			}
			s.deployment("1", 1)
			s.deployment("1", c.replicas)
			waits(v1alpha1.ReasonScheduling)
			s.made("first")
			waits(c.reason)
			s.ready()
			s.ends()
			s.breaks(c.breaks, "")
		})
	}
}

func TestAChangeOrAScaleToZeroBeforeThePodIsReadyTakesNothingFromAnybodyAndOneAfterDoes(t *testing.T) {
	for name, c := range map[string]struct {
		late     bool
		image    string
		replicas int32
	}{
		"a change before": {false, "2", 1}, "a change after": {true, "2", 1}, "to zero before": {false, "1", 0}, "to zero after": {true, "1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.awake()
			s.deployment("1", 1)
			s.made("first")
			if c.late {
				s.ready()
			}
			s.deployment(c.image, c.replicas)
			s.ready()
			s.ends()
			if c.late {
				s.breaks(NoRestartInUse, "")
			} else {
				s.breaks("", "")
			}
		})
	}
}

// Kubernetes may learn late of a change that was applied while there was no pod.
func TestAPodOfTheShapeBeforeMayGo(t *testing.T) {
	for image, breaks := range map[string]string{"1": "", "2": NoRestartInUse} {
		t.Run("image "+image, func(t *testing.T) {
			s := tell(t)
			s.awake()
			s.deployment("1", 1)
			s.deployment("2", 1)
			shape := func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Image: image}} }
			s.pod("first", shape)
			s.pod("first", func(p *corev1.Pod) {
				shape(p)
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			})
			s.pod("first", func(p *corev1.Pod) { shape(p); p.DeletionTimestamp = &metav1.Time{Time: s.now} })
			s.breaks(breaks, "")
		})
	}
}

func TestAPodThatIsReadyAfterItsSessionsDeletionMayGo(t *testing.T) {
	s := tell(t)
	s.awake()
	s.made("first")
	s.session(func(o *v1alpha1.VDISession) {
		o.DeletionTimestamp, o.Status.StartTime = &metav1.Time{Time: s.now}, s.at(-time.Minute)
	})
	s.ready()
	s.ends()
	s.breaks("", "")
}

func TestARefusedEvictionIsNoExcuse(t *testing.T) {
	s := tell(t)
	s.awake()
	s.ready()
	s.Killed("first")()
	s.ends()
	s.breaks(NoRestartInUse, "")
}

func TestASleepBeforeItsClockHasRunOut(t *testing.T) {
	for reason, was := range map[string]func(*tale, *v1alpha1.VDISessionStatus){
		v1alpha1.ReasonMaxDuration: func(s *tale, st *v1alpha1.VDISessionStatus) { st.StartTime = s.at(-59 * time.Second) },
		v1alpha1.ReasonDisconnectTimeout: func(s *tale, st *v1alpha1.VDISessionStatus) {
			st.Activity = &v1alpha1.SessionActivity{LastConnectedTime: s.at(-9 * time.Second)}
		},
		v1alpha1.ReasonIdleTimeout: func(s *tale, st *v1alpha1.VDISessionStatus) {
			st.Activity = &v1alpha1.SessionActivity{LastInputTime: s.at(-9 * time.Second)}
		},
		v1alpha1.ReasonStartupTimeout: func(s *tale, st *v1alpha1.VDISessionStatus) { st.LostTime = s.at(-9 * time.Second) },
		v1alpha1.ReasonPoweredOff:     func(*tale, *v1alpha1.VDISessionStatus) {},
		"Whim":                        func(*tale, *v1alpha1.VDISessionStatus) {},
	} {
		t.Run(reason, func(t *testing.T) {
			s := tell(t)
			s.session(func(o *v1alpha1.VDISession) { o.Status.StartTime = s.at(-30 * time.Second); was(s, &o.Status) })
			s.asleep(reason)
			s.breaks(NoSleepInUse, "was put to sleep ("+reason+")")
		})
	}
}

func TestASleepWhenItsClockHasRunOut(t *testing.T) {
	s := tell(t)
	s.session(func(o *v1alpha1.VDISession) {
		o.Status.StartTime, o.Status.Activity = s.at(-30*time.Second), &v1alpha1.SessionActivity{LastConnectedTime: s.at(-11 * time.Second), LastWakeTime: s.at(5 * time.Minute)}
	})
	s.asleep(v1alpha1.ReasonDisconnectTimeout)
	s.breaks("", "")
}

// What runs counts as awake where its status was lost, and may be switched off in that moment.
func TestASleepOfADesktopWhoseStatusWasLost(t *testing.T) {
	for reason, broken := range map[string]string{v1alpha1.ReasonPoweredOff: "", v1alpha1.ReasonDisconnectTimeout: NoSleepInUse} {
		t.Run(reason, func(t *testing.T) {
			s := tell(t)
			s.session(func(o *v1alpha1.VDISession) { o.Spec.Power, o.Status = v1alpha1.PowerOff, v1alpha1.VDISessionStatus{} })
			s.asleep(reason)
			s.breaks(broken, "")
		})
	}
}

// The record says that nobody was there, and somebody was.
func TestASleepWhileAVisitorIsConnected(t *testing.T) {
	for name, c := range map[string]struct {
		happened func(*tale, *visit)
		broken   string
	}{
		"all is well":           {func(*tale, *visit) {}, NoSleepInUse},
		"the visitor left":      {func(s *tale, v *visit) { v.left = s.now.Add(-12 * time.Second) }, ""},
		"the visitor just came": {func(s *tale, v *visit) { v.from = s.now.Add(-8 * time.Second) }, ""},
		"the activator was paused": {func(s *tale, _ *visit) {
			s.Health.outages["activator-0"] = []outage{{s.now.Add(-9 * time.Second), s.now.Add(-5 * time.Second)}}
		}, ""},
		"another activator was paused": {func(s *tale, _ *visit) {
			s.Health.outages["activator-1"] = []outage{{s.now.Add(-9 * time.Second), s.now.Add(-5 * time.Second)}}
		}, NoSleepInUse},
		"the API server is away": {func(s *tale, _ *visit) { s.Health.outages[apiServer] = []outage{{from: s.now.Add(-time.Second)}} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.Came("ada", "activator-0")
			s.visits[0].from = s.now.Add(-20 * time.Second)
			c.happened(s, s.visits[0])
			s.session(func(o *v1alpha1.VDISession) { o.Status.StartTime = s.at(-30 * time.Second) })
			s.asleep(v1alpha1.ReasonDisconnectTimeout)
			s.breaks(c.broken, "a visitor was connected to activator-0")
		})
	}
}

func TestASleepWhileSomebodyTypes(t *testing.T) {
	for ago, broken := range map[time.Duration]string{3 * time.Second: NoSleepInUse, 9 * time.Second: ""} {
		s := tell(t)
		s.Typed("ada", s.now.Add(-ago))
		s.session(func(o *v1alpha1.VDISession) { o.Status.StartTime = s.at(-30 * time.Second) })
		s.asleep(v1alpha1.ReasonIdleTimeout)
		s.breaks(broken, "somebody typed")
	}
}

func TestALifeIsCountedOnce(t *testing.T) {
	s := tell(t)
	s.awake()
	s.awake()
	s.asleep(v1alpha1.ReasonPoweredOff)
	s.session(func(o *v1alpha1.VDISession) { o.Status.StartTime = s.at(0); o.Status.Phase = v1alpha1.PhaseRunning })
	assert.Equal(t, 2, s.Lives())
	assert.True(t, s.RunningSince("t-a", "ada", s.now.Add(-time.Second)))
}

func TestAProgramThatGrowsWithRoundsIsFound(t *testing.T) {
	l := newLeaks(nil)
	for range leaksAfter + 1 {
		require.Empty(t, l.grown("operator", cost{starts: 1, goroutines: 100, memory: 50 << 20}))
	}
	assert.Contains(t, l.grown("operator", cost{starts: 1, goroutines: 161, memory: 50 << 20}), "161 goroutines")
	assert.Contains(t, l.grown("operator", cost{starts: 1, goroutines: 100, memory: 150 << 20}), "150 MiB")
	assert.Empty(t, l.grown("operator", cost{starts: 2, goroutines: 500, memory: 150 << 20}), "it was started anew")
}

func TestAnOperatorThatComesToLeadHasGrownByThat(t *testing.T) {
	l := newLeaks(nil)
	for range leaksAfter + 1 {
		require.Empty(t, l.grown("operator", cost{starts: 1, goroutines: 54}))
	}
	for range leaksAfter + 1 {
		require.Empty(t, l.grown("operator", cost{starts: 1, goroutines: 282, leads: true}))
	}
	assert.Contains(t, l.grown("operator", cost{starts: 1, goroutines: 400, leads: true}), "400 goroutines")
}
