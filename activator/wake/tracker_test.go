package wake

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// world is a tracker with everything around it: what it writes comes back by the
// directory, as it does by the watch.
type world struct {
	*Tracker
	t       *testing.T
	dir     *directory.Directory
	session *v1alpha1.VDISession

	mu     sync.Mutex
	writes []record.Activity
	fail   error
	deaf   bool // writes do not show in the directory
}

// inWorld runs a test in a bubble and checks that the tracker leaves nothing behind.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{t: t}
		w.dir = directory.New(func(_, name string) string { return name }, func(key types.NamespacedName) { w.Forget(key) })
		w.Tracker = NewTracker(ctx, w.dir, w, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		w.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
		w.session.Status.ObservedGeneration = 1
		w.dir.SetSession(w.session)
		test(t, w)
		cancel()
		w.Wait()
	})
}

func (w *world) WriteActivity(ctx context.Context, _ types.NamespacedName, a record.Activity) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.fail != nil {
		return w.fail
	}
	w.writes = append(w.writes, a)
	if !w.deaf && !a.Wake.IsZero() {
		w.change(func(s *v1alpha1.VDISession) {
			s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: a.Wake}}
		})
	}
	return nil
}

func (w *world) change(how func(*v1alpha1.VDISession)) {
	next := w.session.DeepCopy()
	how(next)
	w.session = next
	w.dir.SetSession(next)
}

func (w *world) sleeps(reason lifecycle.Reason, at time.Time) {
	w.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.SleepTime, s.Status.SleepReason = nil, &metav1.MicroTime{Time: at}, string(reason)
	})
}

func (w *world) wakes() {
	w.change(func(s *v1alpha1.VDISession) { s.Status.StartTime = &metav1.MicroTime{Time: time.Now()} })
}

// written returns what was written since the last call, once the tracker is at rest.
func (w *world) written() []record.Activity {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.writes
	w.writes = nil
	return out
}

func (w *world) expectWakes(want int) []time.Time {
	w.t.Helper()
	var at []time.Time
	for _, a := range w.written() {
		if !a.Wake.IsZero() {
			at = append(at, a.Wake)
		}
	}
	require.Len(w.t, at, want, "wakes were written")
	return at
}

func TestTheFirstVisitorWakesByOneWrite(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := time.Now()
		v := w.Enter(w.session)
		got := w.written()
		if len(got) != 1 || !got[0].Wake.Equal(now) || !got[0].Connected.Equal(now) {
			t.Errorf("written: %v, want one wake and report at %s", got, now)
		}
		v.Leave()
	})
}

func TestManyVisitorsWriteNoMoreThanOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var visits []*Visit
		asleep := w.session
		for range 500 {
			visits = append(visits, w.Enter(asleep))
		}
		w.expectWakes(1)
		w.wakes()
		time.Sleep(time.Minute + time.Second)
		assert.Len(t, w.written(), 3, "reports in a minute, want one each 20 s")
		for _, v := range visits {
			v.Leave()
		}
	})
}

func TestReportsComeOftenEnoughForAShortDisconnectTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		w.change(func(s *v1alpha1.VDISession) {
			s.Status.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(10 * time.Second)}
		})
		v := w.Enter(w.session)
		w.written()
		time.Sleep(10*time.Second + time.Millisecond)
		assert.Len(t, w.written(), 4, "reports in the disconnect timeout, want 4")
		v.Leave()
	})
}

func TestADesktopThatIsSwitchedOffIsNotWoken(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
		v := w.Enter(w.session)
		w.expectWakes(0)
		w.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOnDemand })
		w.expectWakes(1) // the visitor still waits when it is switched on again
		v.Leave()
	})
}

func TestASessionNobodyLookedAtYetIsNotTakenForAsleep(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.change(func(s *v1alpha1.VDISession) { s.Status.ObservedGeneration = 0 })
		v := w.Enter(w.session)
		w.expectWakes(0)
		w.change(func(s *v1alpha1.VDISession) { s.Status.ObservedGeneration = 1 })
		w.expectWakes(1)
		v.Leave()
	})
}

func TestAWakeIsLaterThanTheSleepThoughOurClockIsBehind(t *testing.T) {
	for _, reason := range []lifecycle.Reason{lifecycle.ReasonDisconnected, lifecycle.ReasonMaxDuration} {
		t.Run(string(reason), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				slept := time.Now().Add(time.Minute)
				w.sleeps(reason, slept)
				v := w.Enter(w.session)
				at := w.expectWakes(1)[0]
				assert.True(t, at.After(slept), "woke at %s, which is not after the sleep at %s", at, slept)
				v.Leave()
			})
		})
	}
}

func TestASleepUnderAWaitingVisitor(t *testing.T) {
	for reason, wakes := range map[lifecycle.Reason]int{
		// Nobody was seen to be there; but somebody is.
		lifecycle.ReasonDisconnected: 1,
		// The visitor is about to be turned away with the reason.
		lifecycle.ReasonStartup: 0, lifecycle.ReasonMaxDuration: 0, lifecycle.ReasonIdle: 0,
	} {
		for skew, by := range map[string]time.Duration{"clocks agree": 0, "ours is ahead": -time.Minute, "ours is behind": time.Minute} {
			t.Run(string(reason)+", "+skew, func(t *testing.T) {
				inWorld(t, func(_ *testing.T, w *world) {
					v := w.Enter(w.session)
					w.expectWakes(1)
					w.wakes()
					time.Sleep(10 * time.Minute)
					w.written()
					w.sleeps(reason, time.Now().Add(by))
					w.expectWakes(wakes)
					v.Leave()
				})
			})
		}
	}
}

func TestASleepUnderAServedVisitorIsNotUndone(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		v := w.Enter(w.session)
		w.expectWakes(1)
		w.wakes()
		v.Served()
		time.Sleep(time.Hour)
		w.written()
		w.sleeps(lifecycle.ReasonDisconnected, time.Now())
		w.expectWakes(0)
		v.Leave()
	})
}

func TestAPageThatWasShownKeepsItsWish(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.sleeps(lifecycle.ReasonStartup, time.Now().Add(-time.Hour))
		w.fail = errors.New("the API server is away")
		w.Enter(w.session).Leave() // a page load: over before the wake could be written
		synctest.Wait()
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		time.Sleep(retryAfter)
		w.expectWakes(1)
	})
}

func TestAWakeThatFailsIsTriedAgainButNotByEachVisitor(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.fail = errors.New("the API server is away")
		v := w.Enter(w.session)
		for range 100 {
			synctest.Wait()
			w.Enter(w.session).Leave()
		}
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		w.expectWakes(0)
		time.Sleep(retryAfter)
		w.expectWakes(1)
		v.Leave()
	})
}

func TestAWakeThatWasOverwrittenIsWrittenAgain(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.deaf = true
		v := w.Enter(w.session)
		w.expectWakes(1)
		time.Sleep(echoWithin - time.Millisecond)
		w.expectWakes(0)
		w.mu.Lock()
		w.deaf = false
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
		w.expectWakes(1)
		time.Sleep(time.Minute)
		w.expectWakes(0)
		v.Leave()
	})
}

func TestTheLastVisitorsLeavingTimeIsReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		first, last := w.Enter(w.session), w.Enter(w.session)
		w.written()
		time.Sleep(5 * time.Second)
		first.Leave()
		time.Sleep(5 * time.Second)
		left := time.Now()
		last.Leave()
		last.Leave() // leaving twice is leaving once
		time.Sleep(lingerFor + time.Millisecond)
		got := w.written()
		if len(got) != 1 || !got[0].Connected.Equal(left) {
			t.Errorf("written: %v, want one report at %s", got, left)
		}
		time.Sleep(time.Hour)
		assert.Empty(t, w.written(), "written though nobody is there")
	})
}

func TestAShutdownReportsWhoIsStillThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		ctx, cancel := context.WithCancel(t.Context())
		w.dir = directory.New(func(_, name string) string { return name }, nil)
		w.Tracker = NewTracker(ctx, w.dir, w, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		w.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
		w.dir.SetSession(w.session)
		w.Enter(w.session)
		w.written()
		time.Sleep(7 * time.Second)
		cancel()
		w.Wait()
		got := w.written()
		require.Len(t, got, 1)
		assert.True(t, got[0].Connected.Equal(time.Now()), "written, want a report of now")
		w.Enter(w.session) // too late: nothing is started
		assert.Empty(t, w.written(), "written after the end")
	})
}

func TestInputIsWrittenOnceInAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		w.change(func(s *v1alpha1.VDISession) {
			s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(12 * time.Second)}
		})
		for range 120 { // a minute's typing
			require.NoError(t, w.Input(t.Context(), w.session, time.Now()))
			time.Sleep(500 * time.Millisecond)
		}
		got := w.written()
		assert.Len(t, got, 24, "writes in a minute, want one each fifth of the idle timeout")
		for _, a := range got {
			if a.Input.IsZero() || !a.Wake.IsZero() {
				t.Errorf("written: %v, want input and no wake", a)
			}
		}
		time.Sleep(time.Minute)
		w.fail = errors.New("the API server is away")
		assert.Error(t, w.Input(t.Context(), w.session, time.Now()), "a failed write was not reported")
		w.fail = nil
		if err := w.Input(t.Context(), w.session, time.Now()); err != nil || len(w.written()) != 1 {
			t.Error("the report after a failed one was not written")
		}
	})
}

func TestAReportIsWrittenThoughWhoSentItHasLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		left, leave := context.WithCancel(t.Context())
		leave()
		require.NoError(t, w.Watches(left, w.session))
		require.NoError(t, w.Input(left, w.session, time.Now()))
		assert.Len(t, w.written(), 2)
	})
}

func TestInputIsWrittenWithTheTimeAtWhichItCame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		input := func(at time.Time) []record.Activity {
			t.Helper()
			require.NoError(t, w.Input(t.Context(), w.session, at))
			return w.written()
		}
		assert.Empty(t, input(time.Now()), "written of a desktop that sleeps")
		require.ErrorIs(t, w.Watches(t.Context(), w.session), errAsleep)
		w.wakes()
		woke := time.Now()
		time.Sleep(time.Hour)
		if got := input(woke.Add(-time.Millisecond)); len(got) != 1 || !got[0].Input.IsZero() || !got[0].Watched.Equal(time.Now()) {
			t.Errorf("written: %v, want that input is seen, but none since the wake", got)
		}
		assert.Empty(t, input(woke.Add(-time.Millisecond)), "written again")
		then := time.Now().Add(-time.Minute)
		if got := input(then); len(got) != 1 || !got[0].Input.Equal(then) || !got[0].Connected.Equal(then) {
			t.Errorf("written: %v, want input and a connection at %s", got, then)
		}
		assert.Empty(t, input(then.Add(-time.Minute)), "written though later input is known")
		if got := input(time.Now().Add(time.Hour)); len(got) != 1 || !got[0].Input.Equal(time.Now()) {
			t.Errorf("written: %v, want that input is never in the future", got)
		}
	})
}

func TestStagesOfAColdStartAreStampedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		began := time.Now()
		v := w.Enter(w.session)
		synctest.Wait()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "p", UID: "p",
			Labels: map[string]string{v1alpha1.LabelSession: "alice"}}}
		time.Sleep(time.Second)
		pod.Spec.NodeName = "node"
		w.dir.SetPod(pod)
		synctest.Wait()
		time.Sleep(time.Second)
		pod = pod.DeepCopy()
		pod.Status.PodIP = "10.0.0.1"
		w.dir.SetPod(pod)
		synctest.Wait()
		time.Sleep(time.Second)
		err := w.dir.Announce(alice, directory.Announcement{Pod: "p", Address: netip.MustParseAddr("10.0.0.1")})
		require.NoError(t, err)
		synctest.Wait()
		time.Sleep(time.Second)
		v.Mark(metrics.StageReached)
		time.Sleep(time.Second)
		v.Mark(metrics.StageReached)

		got := w.Timeline(alice)
		assert.True(t, got.Requested.Equal(began), "requested at %s, want %s", got.Requested, began)
		for stage, after := range map[metrics.Stage]time.Duration{
			metrics.StageWakeWritten: 0, metrics.StageScheduled: time.Second, metrics.StageAddress: 2 * time.Second,
			metrics.StageAnnounced: 3 * time.Second, metrics.StageReached: 4 * time.Second,
		} {
			assert.Equal(t, after, got.Seen[stage].Sub(began), stage)
		}
		assert.Equal(t, len(metrics.Stages), testutil.CollectAndCount(w.metrics.ColdStart), "series, want one a stage")
		v.Leave()
		time.Sleep(time.Hour)
		late := w.Enter(w.session)
		late.Mark(metrics.StageFirstMessage)
		_, marked := w.Timeline(alice).Seen[metrics.StageFirstMessage]
		assert.False(t, marked, "somebody who came an hour later was counted as a cold start")
		late.Leave()
	})
}

func TestADeletedSessionIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v := w.Enter(w.session)
		synctest.Wait()
		w.dir.DropSession(alice)
		synctest.Wait()
		assert.Empty(t, w.sessions, "kept though a visitor's connection is all that is left")
		v.Leave()

		w.dir.SetSession(w.session)
		w.Enter(w.session).Leave()
		time.Sleep(time.Minute)
		assert.Len(t, w.sessions, 1, "a session that exists was forgotten, with its timeline")
		w.dir.DropSession(alice)
		assert.Empty(t, w.sessions, "kept though nobody is there")
	})
}
