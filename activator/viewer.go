package activator

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// closedAfter is how long a page's stream may be gone before its page counts as
	// closed: a page that is loaded again, or moves to another replica, is back sooner.
	closedAfter = 4 * time.Second
	// silentAfter is the same for a page that asks instead of being told, every three
	// seconds, and not always here.
	silentAfter = 30 * time.Second
	// leaveWithin is how long the page that was taken over has to take its desktop's
	// frame away by itself. Its client, were it closed before, would connect again.
	leaveWithin = 500 * time.Millisecond
	// viewerWriteWithin bounds one write; a page waits for that of its own.
	viewerWriteWithin = 2 * time.Second
	// viewerRetry is the pause after a write that failed.
	viewerRetry = 2 * time.Second
	// viewerWrites and viewerBurst bound the writes of one session, a second and at once.
	viewerWrites, viewerBurst = 1, 10
)

// ViewerWriter records who views a desktop that can have one viewer only; see
// record.Writer.
type ViewerWriter interface {
	WriteViewer(ctx context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error
}

var _ ViewerWriter = (*record.Writer)(nil)

// viewers settle which page shows a desktop that can have one viewer only. The record in
// the session's status is the truth for all replicas: pages write it on the condition
// that it is as they saw it, and a person's button in any case.
//
// A replica speaks for the pages whose streams it has. It neither wakes a desktop nor
// puts off its sleep.
type viewers struct {
	dir      *directory.Directory
	writer   ViewerWriter
	log      *slog.Logger
	stopping context.Context
	// replica is this one's name in records.
	replica string
	writes  *limit.Rate[types.NamespacedName]

	mu sync.Mutex
	// open are the streams of each page, and leaving the clocks of those that have none
	// any more.
	open    map[sessionPage]int
	leaving map[sessionPage]*time.Timer
}

type sessionPage struct {
	session types.NamespacedName
	page    string
}

func newViewers(stopping context.Context, o Options) *viewers {
	return &viewers{dir: o.Directory, writer: o.Viewers, log: o.Log, stopping: stopping, replica: rand.Text()[:10],
		writes: limit.NewRate[types.NamespacedName](viewerWrites, viewerBurst),
		open:   map[sessionPage]int{}, leaving: map[sessionPage]*time.Timer{}}
}

// viewerOf is the record; nil is none.
func viewerOf(s *v1alpha1.VDISession) *v1alpha1.SessionViewer {
	if s.Status.Activity == nil {
		return nil
	}
	return s.Status.Activity.Viewer
}

// singleViewer says that the session's desktop can have one viewer only.
func singleViewer(s *v1alpha1.VDISession) bool {
	return signaling.TraitsOf(signaling.ProtocolOf(s)).SingleViewer
}

// viewedBy is the page that shows the desktop; empty is none. Whoever did before the
// desktop was put to sleep does not any more.
func viewedBy(s *v1alpha1.VDISession) string {
	v := viewerOf(s)
	if v == nil || !lifecycle.SinceSleep(s, &v.Since) {
		return ""
	}
	return v.Page
}

// viewingOf says whose a desktop's only view is, as a page sees it that may have written
// its claim without having seen it in the record.
func viewingOf(s *v1alpha1.VDISession, name string, claimed bool) page.Viewing {
	if !singleViewer(s) {
		return page.ViewingFree
	}
	switch by := viewedBy(s); {
	case name != "" && (by == name || by == "" && claimed):
		return page.ViewingYours
	case name == "" || by == "":
		return page.ViewingOpen
	}
	return page.ViewingOthers
}

// record is a new one for that page, later than the session's last sleep whatever the
// operator's clock says.
func (v *viewers) record(s *v1alpha1.VDISession, page string) *v1alpha1.SessionViewer {
	since := record.After(time.Now(), s.Status.SleepTime)
	out := &v1alpha1.SessionViewer{Page: page, Since: metav1.MicroTime{Time: since}}
	if page != "" {
		out.Replica = v.replica
	}
	return out
}

// write writes a record. It is over when the session was no longer as s shows it, and
// errBusy when too much was written of late.
func (v *viewers) write(ctx context.Context, s *v1alpha1.VDISession, rec *v1alpha1.SessionViewer, seen string) error {
	key := client.ObjectKeyFromObject(s)
	if wait := v.writes.Take(key, time.Now()); wait > 0 {
		return errBusy{wait}
	}
	ctx, cancel := context.WithTimeout(ctx, viewerWriteWithin)
	defer cancel()
	return v.writer.WriteViewer(ctx, key, rec, seen)
}

// errBusy says that too much was written of a session, and for how long nothing is.
type errBusy struct{ wait time.Duration }

func (e errBusy) Error() string {
	return "the desktop was taken over too often in a short time; try again in a moment"
}

// enter says that a page has a stream here.
func (v *viewers) enter(p sessionPage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open[p]++
	v.stay(p)
}

// leave says that the stream has ended. A page that viewed and does not come back gives
// the view free.
func (v *viewers) leave(p sessionPage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[p]--; v.open[p] > 0 {
		return
	}
	delete(v.open, p)
	v.leaveAfter(p, closedAfter)
}

// asks says that a page without a stream is there.
func (v *viewers) asks(p sessionPage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[p] == 0 {
		v.leaveAfter(p, silentAfter)
	}
}

// stay stops a page's clock; the caller holds the lock.
func (v *viewers) stay(p sessionPage) {
	if t := v.leaving[p]; t != nil {
		t.Stop()
		delete(v.leaving, p)
	}
}

// leaveAfter starts a page's clock anew, where the page may have the view; the caller
// holds the lock.
func (v *viewers) leaveAfter(p sessionPage, d time.Duration) {
	v.stay(p)
	if view, ok := v.dir.View(p.session); !ok || !singleViewer(view.Session) || v.stopping.Err() != nil {
		return // its pages go on elsewhere
	}
	var mine *time.Timer
	mine = time.AfterFunc(d, func() {
		v.mu.Lock()
		current := v.leaving[p] == mine
		if current {
			delete(v.leaving, p)
		}
		v.mu.Unlock()
		if current {
			v.release(p)
		}
	})
	v.leaving[p] = mine
}

func (v *viewers) here(p sessionPage) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open[p] > 0
}

// release gives the view of a closed page free, unless another replica has the page by
// now.
func (v *viewers) release(p sessionPage) {
	v.settle(p.session, func(s *v1alpha1.VDISession) (*v1alpha1.SessionViewer, bool) {
		if viewedBy(s) != p.page || viewerOf(s).Replica != v.replica || v.here(p) {
			return nil, false
		}
		return v.record(s, ""), true
	})
}

// settleAttempts bounds how often a write is tried that nobody waits for.
const settleAttempts = 8

// settle writes what next concludes from the session as it is, if anything.
func (v *viewers) settle(key types.NamespacedName, next func(*v1alpha1.VDISession) (*v1alpha1.SessionViewer, bool)) {
	for range settleAttempts {
		view, ok := v.dir.View(key)
		if !ok || v.stopping.Err() != nil {
			return
		}
		rec, due := next(view.Session)
		if !due {
			return
		}
		err := v.write(v.stopping, view.Session, rec, view.Session.ResourceVersion)
		pause := viewerRetry
		if busy := (errBusy{}); errors.As(err, &busy) {
			pause = busy.wait
		}
		switch {
		case err == nil, errors.Is(err, record.ErrGone):
			return
		case errors.Is(err, record.ErrChanged):
			select {
			case <-view.Changed:
				continue
			case <-time.After(pause):
			case <-v.stopping.Done():
			}
		default:
			v.log.Debug("who views was not recorded; trying again", "namespace", key.Namespace, "session", key.Name, "error", err)
			select {
			case <-time.After(pause):
			case <-v.stopping.Done():
			}
		}
	}
}

// take makes a page the viewer, whoever is it now, and says whether somebody was.
func (v *viewers) take(ctx context.Context, key types.NamespacedName, page string) (from string, err error) {
	view, ok := v.dir.View(key)
	if !ok {
		return "", record.ErrGone
	}
	from = viewedBy(view.Session)
	if !singleViewer(view.Session) || from == page {
		return "", nil
	}
	if err := v.write(ctx, view.Session, v.record(view.Session, page), ""); err != nil {
		return "", err
	}
	return from, nil
}

// serveTake makes the page of a person the viewer who asked for it.
func (s *Server) serveTake(w http.ResponseWriter, r *http.Request, v visitor) {
	if !posted(w, r) {
		return
	}
	name := page.PageOf(r)
	if name == "" {
		http.Error(w, "say which page: the parameter "+page.PageQuery+" with 32 hexadecimal digits", http.StatusBadRequest)
		return
	}
	if err := s.take(r.Context(), v, name); err != nil {
		s.refuseTake(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// take makes a page the viewer and waits a moment until the record shows it.
func (s *Server) take(ctx context.Context, v visitor, name string) error {
	from, err := s.viewers.take(ctx, v.key, name)
	if err != nil {
		return err
	}
	s.viewers.asks(sessionPage{v.key, name}) // its stream, if any, may be another replica's
	if from != "" {
		s.Metrics.Takeovers.Inc()
		s.Log.Info("a page took the desktop over", "namespace", v.key.Namespace, "session", v.key.Name)
	}
	s.await(ctx, v, func(view directory.View) bool { return viewingOf(view.Session, name, false) != page.ViewingOthers })
	return nil
}

func (s *Server) refuseTake(w http.ResponseWriter, err error) {
	w.Header().Set("Cache-Control", "no-store")
	if busy := (errBusy{}); errors.As(err, &busy) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(busy.wait.Seconds()))))
		http.Error(w, busy.Error(), http.StatusTooManyRequests)
		return
	}
	s.Log.Warn("who views was not recorded", "error", err)
	http.Error(w, "it was not recorded; try again", http.StatusServiceUnavailable)
}

// viewerChanged ends the connections of a viewer that another page has taken over. Those
// of the new one are younger than its record.
func (s *Server) viewerChanged(before, after *v1alpha1.VDISession) {
	if before == nil {
		return
	}
	was, is := viewedBy(before), viewedBy(after)
	if was == "" || is == "" || was == is {
		return
	}
	// By this replica's clock: that of the replica which wrote the record may differ.
	key, seen := client.ObjectKeyFromObject(after), time.Now()
	time.AfterFunc(leaveWithin, func() { s.sockets.EndViewer(key, seen) })
}
