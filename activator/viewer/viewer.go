// Package viewer settles which page shows a desktop that can have one viewer only.
//
// The record in the session's status is the truth for all replicas: pages write it on the
// condition that it is as they saw it, and a person's button in any case. The package
// neither wakes a desktop nor puts off its sleep.
package viewer

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// closedAfter is how long a page's stream may be gone before its page counts as
	// closed: a page that is loaded again, or moves to another replica, is back sooner.
	closedAfter = 4 * time.Second
	// silentAfter is the same for a page that asks instead of having a stream, every three
	// seconds, and not always here.
	silentAfter = 30 * time.Second
	// writeWithin bounds one write; a page waits for that of its own.
	writeWithin = 2 * time.Second
	// retryAfter is the pause after a write that failed.
	retryAfter = 2 * time.Second
	// writesPerSecond bounds the writes of one session.
	writesPerSecond = 1
	// WriteBurst is how many of them may come at once.
	WriteBurst = 10
	// vacateWithin is how long the page that was taken over has to take its desktop's
	// frame away by itself. Its client, were it closed before, would connect again.
	vacateWithin = 500 * time.Millisecond
	// releaseAttempts bounds how often it is tried to give a closed page's view free.
	releaseAttempts = 8
)

// Writer records who views a desktop that can have one viewer only; see
// record.Writer.
type Writer interface {
	WriteViewer(ctx context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error
}

var _ Writer = (*record.Writer)(nil)

// Viewers are the pages whose streams this replica has: it speaks for them.
type Viewers struct {
	dir      *directory.Directory
	writer   Writer
	log      *slog.Logger
	stopping context.Context
	// replica is this one's name in records.
	replica string
	writes  *limit.Rate[types.NamespacedName]

	mu sync.Mutex
	// open are the streams of each page, and leaving the clocks of those that have none
	// any more.
	open    map[Page]int
	leaving map[Page]*time.Timer
}

// Page is a page of a session, by the name that it made up for itself.
type Page struct {
	Session types.NamespacedName
	Name    string
}

// New makes them; they write until stopping ends. Where a page takes a desktop over, end is
// called to end the connections of its former viewer: those opened before that moment.
func New(stopping context.Context, dir *directory.Directory, w Writer, log *slog.Logger, end func(types.NamespacedName, time.Time),
) *Viewers {
	dir.Observe(func(before, after *v1alpha1.VDISession) {
		if before == nil || after == nil {
			return
		}
		if was, is := ViewedBy(before), ViewedBy(after); was == "" || is == "" || was == is {
			return
		}
		// By this replica's clock: that of the replica which wrote the record may differ.
		key, seen := client.ObjectKeyFromObject(after), time.Now()
		time.AfterFunc(vacateWithin, func() { end(key, seen) })
	})
	return &Viewers{dir: dir, writer: w, log: log, stopping: stopping, replica: rand.Text()[:10],
		writes: limit.NewRate[types.NamespacedName](writesPerSecond, WriteBurst),
		open:   map[Page]int{}, leaving: map[Page]*time.Timer{}}
}

// recordOf is the record; nil is none.
func recordOf(s *v1alpha1.VDISession) *v1alpha1.SessionViewer {
	if s.Status.Activity == nil {
		return nil
	}
	return s.Status.Activity.Viewer
}

// single says that the session's desktop can have one viewer only.
func single(s *v1alpha1.VDISession) bool {
	return signaling.TraitsOf(s.Protocol()).SingleViewer
}

// ViewedBy is the page that shows the desktop; empty is none. A page that showed it before
// the last sleep does not any more.
func ViewedBy(s *v1alpha1.VDISession) string {
	v := recordOf(s)
	if v == nil || !lifecycle.SinceSleep(s, &v.Since) {
		return ""
	}
	return v.Page
}

// record is a new one for that page, later than the session's last sleep whatever the
// operator's clock says.
func (v *Viewers) record(s *v1alpha1.VDISession, page string) *v1alpha1.SessionViewer {
	since := record.After(time.Now(), s.Status.SleepTime)
	out := &v1alpha1.SessionViewer{Page: page, Since: metav1.MicroTime{Time: since}}
	if page != "" {
		out.Replica = v.replica
	}
	return out
}

// write writes a record. It is record.ErrChanged when the session was no longer as seen, and
// BusyError when too much was written of late.
func (v *Viewers) write(ctx context.Context, s *v1alpha1.VDISession, rec *v1alpha1.SessionViewer, seen string) error {
	key := client.ObjectKeyFromObject(s)
	if wait := v.writes.Take(key, time.Now()); wait > 0 {
		return BusyError{wait}
	}
	// Who asked may leave meanwhile; a write that is broken off may have been made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWithin)
	defer cancel()
	return v.writer.WriteViewer(ctx, key, rec, seen)
}

// BusyError says that too much was written of a session, and for how long nothing is.
type BusyError struct{ Wait time.Duration }

// Error says when to try again.
func (e BusyError) Error() string {
	return "the desktop was taken over too often in a short time; try again in a moment"
}

// pause is when to try again after a write that failed.
func pause(err error) time.Duration {
	if busy := (BusyError{}); errors.As(err, &busy) {
		return busy.Wait
	}
	return retryAfter
}

// asked says that a page is there that may have no stream here.
func (v *Viewers) asked(p Page) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[p] == 0 {
		v.leaveAfter(p, silentAfter)
	}
}

// stay stops a page's clock; the caller holds the lock.
func (v *Viewers) stay(p Page) {
	if t := v.leaving[p]; t != nil {
		t.Stop()
		delete(v.leaving, p)
	}
}

// leaveAfter starts a page's clock anew, where the page may have the view; the caller
// holds the lock.
func (v *Viewers) leaveAfter(p Page, d time.Duration) {
	v.stay(p)
	if view, ok := v.dir.View(p.Session); !ok || !single(view.Session) || v.stopping.Err() != nil {
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

// here says that a page has a stream at this replica.
func (v *Viewers) here(p Page) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open[p] > 0
}

// release gives the view of a closed page free, unless another replica has the page by
// now.
func (v *Viewers) release(p Page) {
	for range releaseAttempts {
		view, ok := v.dir.View(p.Session)
		if !ok || v.stopping.Err() != nil || ViewedBy(view.Session) != p.Name || recordOf(view.Session).Replica != v.replica || v.here(p) {
			return
		}
		err := v.write(v.stopping, view.Session, v.record(view.Session, ""), view.Session.ResourceVersion)
		var changed <-chan struct{}
		switch {
		case err == nil, errors.Is(err, record.ErrGone):
			return
		case errors.Is(err, record.ErrChanged):
			changed = view.Changed
		default:
			v.log.Debug("who views was not recorded; trying again", "namespace", p.Session.Namespace, "session", p.Session.Name, "error", err)
		}
		select {
		case <-changed:
		case <-time.After(pause(err)):
		case <-v.stopping.Done():
		}
	}
}

// Take makes a page the viewer, and says whether another page was it before.
func (v *Viewers) Take(ctx context.Context, p Page) (over bool, err error) {
	view, ok := v.dir.View(p.Session)
	if !ok {
		return false, record.ErrGone
	}
	if from := ViewedBy(view.Session); single(view.Session) && from != p.Name {
		if err := v.write(ctx, view.Session, v.record(view.Session, p.Name), ""); err != nil {
			return false, err
		}
		over = from != ""
	}
	v.asked(p) // its stream, if any, may be another replica's
	return over, nil
}
