package viewer

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// world is a session whose desktop has room for one viewer, and two replicas.
type world struct {
	t        *testing.T
	dir      *directory.Directory
	replicas [2]*Viewers

	mu      sync.Mutex
	session *v1alpha1.VDISession
	records int
}

func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := &world{t: t, dir: directory.New(func(_, name string) string { return name }, nil)}
		for i := range w.replicas {
			w.replicas[i] = New(ctx, w.dir, w, slog.New(slog.DiscardHandler), func(types.NamespacedName, time.Time) {})
		}
		w.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
		w.session.Status.ObservedGeneration, w.session.Status.StartTime = 1, &metav1.MicroTime{Time: time.Now()}
		w.session.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolSelkies1}
		w.change(func(*v1alpha1.VDISession) {})
		test(w)
	})
}

func (w *world) change(how func(*v1alpha1.VDISession)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changeLocked(how)
}

func (w *world) changeLocked(how func(*v1alpha1.VDISession)) {
	version, _ := strconv.Atoi(w.session.ResourceVersion)
	w.session = w.session.DeepCopy()
	how(w.session)
	w.session.ResourceVersion = strconv.Itoa(version + 1)
	w.dir.SetSession(w.session)
}

// WriteViewer is the API server: what is recorded comes back by the watch.
func (w *world) WriteViewer(_ context.Context, _ types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seen != "" && seen != w.session.ResourceVersion {
		return record.ErrChanged
	}
	w.records++
	w.changeLocked(func(s *v1alpha1.VDISession) { s.Status.Activity = &v1alpha1.SessionActivity{Viewer: v} })
	return nil
}

func (w *world) view() *v1alpha1.VDISession {
	view, _ := w.dir.View(alice)
	return view.Session
}

// tab is an open page with a stream.
type tab struct {
	*world
	close func()

	mu    sync.Mutex
	first Viewing
	now   Viewing
}

// open opens a page at a replica, which wants the desktop.
func (w *world) open(name string, at *Viewers) *tab {
	ctx, cancel := context.WithCancel(w.t.Context())
	o := &tab{world: w, close: cancel}
	claim := at.Open(Page{alice, name})
	o.first = claim.Viewing(w.view())
	go func() {
		defer claim.Close()
		for {
			view, _ := w.dir.View(alice)
			claim.Settle(ctx, view.Session, true)
			o.mu.Lock()
			o.now = claim.Viewing(view.Session)
			o.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-view.Changed:
			case <-claim.Again:
			}
		}
	}()
	return o
}

func (o *tab) expect(after time.Duration, want Viewing) {
	o.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	assert.Equal(o.t, want, o.now, "the view is %q to the page, want %q", o.now, want)
}

func (w *world) expectRecords(want int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(w.t, want, w.records, "records")
}

func TestOfPagesThatComeAtOnceOneShowsTheDesktop(t *testing.T) {
	inWorld(t, func(w *world) {
		var tabs []*tab
		for i := range 8 {
			tabs = append(tabs, w.open(fmt.Sprint(i), w.replicas[i%2]))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		shows := 0
		for _, o := range tabs {
			o.mu.Lock()
			if o.now == ViewingYours {
				shows++
			}
			o.mu.Unlock()
		}
		assert.Equal(t, 1, shows, "show it")
		w.expectRecords(1)
		for _, o := range tabs {
			o.close()
		}
		time.Sleep(time.Minute)
	})
}

func TestAPageThatIsClosedLeavesTheDesktopToTheOneThatWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.open("1", w.replicas[0])
		first.expect(0, ViewingYours)
		second := w.open("2", w.replicas[0])
		second.expect(0, ViewingOthers)
		first.close()
		second.expect(closedAfter-time.Millisecond, ViewingOthers)
		second.expect(time.Second, ViewingYours)
		w.expectRecords(3) // a claim, a release and a claim
		second.close()
		time.Sleep(time.Minute)
	})
}

func TestAPageThatAsksNoLongerLeavesTheDesktop(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			assert.Equal(t, ViewingYours, w.replicas[0].Asks(w.t.Context(), Page{alice, "1"}, w.view()), "the view is to who asks")
			time.Sleep(3 * time.Second)
		}
		if w.expectRecords(1); ViewedBy(w.view()) != "1" {
			t.Error("it is recorded as left though it asks")
		}
		if time.Sleep(silentAfter); ViewedBy(w.view()) != "" {
			t.Error("it is recorded though it asks no longer")
		}
	})
}

func TestAPageThatIsLoadedAgainKeepsTheDesktop(t *testing.T) {
	for name, replica := range map[string]int{"at the same replica": 0, "at another one": 1} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				first := w.open("1", w.replicas[0])
				first.expect(0, ViewingYours)
				second := w.open("2", w.replicas[0])
				second.expect(0, ViewingOthers)
				first.close()
				synctest.Wait()
				again := w.open("1", w.replicas[replica])
				assert.Equal(t, ViewingYours, again.first, "first the view is %q to it", again.first)
				second.expect(time.Minute, ViewingOthers)
				w.expectRecords(1 + replica)
				again.close()
				second.expect(time.Minute, ViewingYours)
				second.close()
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestAPageThatVanishedWithItsReplicaBlocksNobodyForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		vanish := func() {
			gone := &v1alpha1.SessionViewer{Page: "1", Since: metav1.MicroTime{Time: time.Now()}, Replica: "gone"}
			assert.NoError(t, w.WriteViewer(w.t.Context(), alice, gone, ""))
		}
		vanish()
		second := w.open("2", w.replicas[0])
		second.expect(time.Minute, ViewingOthers)
		if over, err := w.replicas[0].Take(w.t.Context(), Page{alice, "2"}); err != nil || !over {
			t.Errorf("taken over: %t, %v", over, err)
		}
		second.expect(0, ViewingYours)

		// And with the desktop's sleep the record is void.
		vanish()
		second.expect(time.Second, ViewingOthers)
		w.change(func(s *v1alpha1.VDISession) { s.Status.SleepTime = &metav1.MicroTime{Time: time.Now()} })
		second.expect(time.Second, ViewingYours)
		second.close()
		time.Sleep(time.Minute)
	})
}
