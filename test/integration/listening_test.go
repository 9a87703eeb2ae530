//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/listening"
)

// watcher is an operator's watch of an installation's activators, by a clock that the test
// moves on.
type watcher struct {
	*listening.Watch
	t *testing.T

	mu sync.Mutex // guards what follows
	// ahead is how far the clock is ahead.
	ahead             time.Duration
	condition, reason string
	returns           int
}

func watchActivators(t *testing.T, in config.Installation) *watcher {
	t.Helper()
	w := &watcher{t: t}
	w.Watch = &listening.Watch{
		Config: cluster.Config, Options: cache.Options{Scheme: api.Scheme()}, Installation: in, Record: listening.NewRecord(w.now()),
		Conditions: w, Returned: w.returned, Now: w.now,
	}
	start(t, w.Start)
	return w
}

func (w *watcher) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func (w *watcher) passes(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

func (w *watcher) returned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returns++
}

func (w *watcher) Set(_ string, status metav1.ConditionStatus, reason, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.condition, w.reason = string(status), reason
}

// sees waits until so many activators listen, and the condition says so.
func (w *watcher) sees(activators int, condition, reason string) {
	w.t.Helper()
	eventually.NoError(w.t, fmt.Sprintf("%d activators, %s", activators, reason), func() error {
		now := w.Record.Activators(w.now())
		w.mu.Lock()
		defer w.mu.Unlock()
		if now != activators || w.condition != condition || w.reason != reason {
			return fmt.Errorf("%d activators listen; the condition is %s (%s)", now, w.condition, w.reason)
		}
		return nil
	})
}

// activator renews its Lease as the program does, until it is stopped.
func activator(t *testing.T, in config.Installation, name string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &listening.Renewer{Leases: api, Installation: in, Pod: listening.Pod{Name: name}, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

func TestTheOperatorSeesWhichActivatorsListen(t *testing.T) {
	ns := space(t)
	in := config.Installation{Name: "vdi", Namespace: ns}
	stopLeft := activator(t, in, "left")
	eventually.NoError(t, "the Lease of one that ends before anybody looks", func() error {
		return api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "left"}, &coordinationv1.Lease{})
	})
	stopLeft()
	w := watchActivators(t, in)
	activator(t, config.Installation{Name: "other", Namespace: ns}, "others")
	w.passes(listening.Lapse + time.Second)
	w.sees(0, "False", v1alpha1.ReasonNobodyListens)
	stop := activator(t, in, "a")
	activator(t, in, "b")
	w.sees(2, "True", v1alpha1.ReasonListening)
	require.NoError(t, api.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "b"}}))
	w.sees(1, "True", v1alpha1.ReasonListening)
	stop()
	l := &coordinationv1.Lease{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "a"}, l), "it is left to lapse")
	assert.EqualValues(t, 30, *l.Spec.LeaseDurationSeconds)
}

func TestNoDesktopSleepsWhileNobodyListensAndSilenceCountsFromTheirReturn(t *testing.T) {
	const timeout = 5 * time.Minute
	ns := space(t)
	in := config.Installation{Name: "vdi", Namespace: ns}
	w := watchActivators(t, in)
	reconcile := operatorByHand(t, func(r *session.Reconciler) { r.Activators, r.Now = w.Record, w.now })
	stop := activator(t, in, "a")
	w.sees(1, "True", v1alpha1.ReasonListening)
	s := inApart(t, "listened", "ada", func(s *v1alpha1.VDISession) {
		s.Spec.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(timeout), MaxDuration: v1alpha1.NewDuration(time.Hour)}
	})
	awake(t, reconcile, s)

	// All activators are gone for three timeouts: nobody says that somebody is connected.
	stop()
	w.passes(3 * timeout)
	w.sees(0, "False", v1alpha1.ReasonNobodyListens)
	now := reconcile(s)
	require.Equal(t, v1alpha1.PhaseRunning, now.Status.Phase, "put to sleep: %s", now.Status.SleepReason)

	// One comes back: everybody gets the whole timeout to come back to it.
	returns := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.returns
	}
	before := returns()
	stop = activator(t, in, "b")
	w.sees(1, "True", v1alpha1.ReasonListening)
	assert.Equal(t, before+1, returns(), "times that every session was looked at")
	renewed := func() {
		t.Helper()
		was := w.Record.Listening(w.now(), time.Time{}).Heard
		stop()
		stop = activator(t, in, "b")
		eventually.NoError(t, "the Lease to be renewed", func() error {
			if l := w.Record.Listening(w.now(), time.Time{}); !l.Heard.After(was) {
				return errors.New("it is not")
			}
			return nil
		})
	}
	for left := timeout - 10*time.Second; left > 0; left -= 20 * time.Second {
		require.Equal(t, v1alpha1.PhaseRunning, reconcile(s).Status.Phase, "put to sleep %s before the timeout has run out", left)
		w.passes(20 * time.Second)
		renewed()
	}
	now = reconcile(s)
	require.Equal(t, v1alpha1.PhaseAsleep, now.Status.Phase)
	assert.Equal(t, v1alpha1.ReasonDisconnectTimeout, now.Status.SleepReason)
}
