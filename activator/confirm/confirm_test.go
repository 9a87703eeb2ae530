package confirm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

// world is an awake session with a pod, whose desktop accepts unless it refuses.
type world struct {
	*Confirmer
	t       *testing.T
	session *v1alpha1.VDISession

	mu      sync.Mutex
	refuses bool
	dials   int
	writes  []record.Activity
}

// inWorld runs a test in a bubble and checks that nothing is left behind.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{t: t}
		dir := directory.New(func(_, name string) string { return name }, nil)
		tracker := wake.NewTracker(ctx, dir, w, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		w.Confirmer = New(dir, probe.New(dir, w.dial), tracker)
		w.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "alice", UID: "1"}}
		w.session.Status.ObservedGeneration, w.session.Status.StartTime = 1, &metav1.MicroTime{Time: time.Now()}
		dir.SetSession(w.session)
		dir.SetPod(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "p", UID: "p", Labels: map[string]string{v1alpha1.LabelSession: "alice"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop,
				Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}},
			Status: corev1.PodStatus{PodIP: "192.0.2.1"},
		})
		test(w)
		w.Stop()
		cancel()
		tracker.Wait()
	})
}

func (w *world) dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dials++; w.refuses {
		return nil, errors.New("connection refused")
	}
	ours, desktops := net.Pipe()
	go func() {
		asked, _ := io.ReadAll(desktops)
		assert.Empty(w.t, asked, "an attempt asks the desktop for something")
	}()
	return ours, nil
}

func (w *world) WriteActivity(_ context.Context, _ types.NamespacedName, a record.Activity) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(w.t, record.Activity{Reached: a.Reached}, a, "written with activity")
	w.writes = append(w.writes, a)
	return nil
}

// after changes the session, and returns how often it was dialled and reported by then.
func (w *world) after(d time.Duration, how func(*v1alpha1.VDISession)) (dials, reports int) {
	w.session = w.session.DeepCopy()
	how(w.session)
	w.dir.SetSession(w.session)
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials, len(w.writes)
}

func asks(s *v1alpha1.VDISession) {
	meta.SetStatusCondition(&s.Status.Conditions,
		metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotReached})
}

func TestTheOperatorsQuestionIsAnsweredThoughNobodyVisits(t *testing.T) {
	inWorld(t, func(w *world) {
		if dials, reports := w.after(time.Minute, func(*v1alpha1.VDISession) {}); dials+reports > 0 {
			t.Errorf("%d attempts and %d reports before anybody asks", dials, reports)
		}
		if _, reports := w.after(time.Second, asks); reports != 1 {
			t.Errorf("%d reports, want one", reports)
		}
		// It asks on, because that was not written, or is ignored: nobody forgets it.
		_, reports := w.after(3*wake.ReportPause, func(*v1alpha1.VDISession) {})
		assert.GreaterOrEqual(t, reports, 2, "it was not tried again")
		before, _ := w.after(0, func(s *v1alpha1.VDISession) { s.Status.Conditions = nil })
		dials, _ := w.after(time.Minute, func(*v1alpha1.VDISession) {})
		assert.Equal(t, before, dials, "%d attempts after the question was withdrawn", dials-before)
	})
}

func TestADesktopThatCannotBeReachedIsNotReported(t *testing.T) {
	inWorld(t, func(w *world) {
		w.refuses = true
		if dials, reports := w.after(time.Second, asks); dials == 0 || reports > 0 {
			t.Errorf("%d attempts, %d reports of a desktop that refuses", dials, reports)
		}
		before, _ := w.after(0, func(s *v1alpha1.VDISession) { s.Status.StartTime = nil })
		dials, _ := w.after(time.Minute, func(*v1alpha1.VDISession) {})
		assert.Equal(t, before, dials, "%d attempts after the desktop slept", dials-before)
	})
}
