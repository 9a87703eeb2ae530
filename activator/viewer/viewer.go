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
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// ClosedAfter is how long a page's stream may be gone before its page counts as
	// closed: a page that is loaded again, or moves to another replica, is back sooner.
	ClosedAfter = 4 * time.Second
	// silentAfter is the same for a page that asks instead of being told, every three
	// seconds, and not always here.
	silentAfter = 30 * time.Second
	// writeWithin bounds one write; a page waits for that of its own.
	writeWithin = 2 * time.Second
	// Retry is the pause after a write that failed.
	Retry = 2 * time.Second
	// writesPerSecond bounds the writes of one session.
	writesPerSecond = 1
	// WriteBurst is how many of them may come at once.
	WriteBurst = 10
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
	// Replica is this one's name in records.
	Replica string
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

// New makes them; they write until stopping ends.
func New(stopping context.Context, dir *directory.Directory, w Writer, log *slog.Logger) *Viewers {
	return &Viewers{dir: dir, writer: w, log: log, stopping: stopping, Replica: rand.Text()[:10],
		writes: limit.NewRate[types.NamespacedName](writesPerSecond, WriteBurst),
		open:   map[Page]int{}, leaving: map[Page]*time.Timer{}}
}

// RecordOf is the record; nil is none.
func RecordOf(s *v1alpha1.VDISession) *v1alpha1.SessionViewer {
	if s.Status.Activity == nil {
		return nil
	}
	return s.Status.Activity.Viewer
}

// Single says that the session's desktop can have one viewer only.
func Single(s *v1alpha1.VDISession) bool {
	return signaling.TraitsOf(signaling.ProtocolOf(s)).SingleViewer
}

// ViewedBy is the page that shows the desktop; empty is none. Whoever did before the
// desktop was put to sleep does not any more.
func ViewedBy(s *v1alpha1.VDISession) string {
	v := RecordOf(s)
	if v == nil || !lifecycle.SinceSleep(s, &v.Since) {
		return ""
	}
	return v.Page
}

// ViewingOf says whose a desktop's only view is, as a page sees it that may have written
// its claim without having seen it in the record.
func ViewingOf(s *v1alpha1.VDISession, name string, claimed bool) page.Viewing {
	if !Single(s) {
		return page.ViewingFree
	}
	switch by := ViewedBy(s); {
	case name != "" && (by == name || by == "" && claimed):
		return page.ViewingYours
	case name == "" || by == "":
		return page.ViewingOpen
	}
	return page.ViewingOthers
}

// Record is a new one for that page, later than the session's last sleep whatever the
// operator's clock says.
func (v *Viewers) Record(s *v1alpha1.VDISession, page string) *v1alpha1.SessionViewer {
	since := record.After(time.Now(), s.Status.SleepTime)
	out := &v1alpha1.SessionViewer{Page: page, Since: metav1.MicroTime{Time: since}}
	if page != "" {
		out.Replica = v.Replica
	}
	return out
}

// Write writes a record. It is over when the session was no longer as s shows it, and
// BusyError when too much was written of late.
func (v *Viewers) Write(ctx context.Context, s *v1alpha1.VDISession, rec *v1alpha1.SessionViewer, seen string) error {
	key := client.ObjectKeyFromObject(s)
	if wait := v.writes.Take(key, time.Now()); wait > 0 {
		return BusyError{wait}
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return v.writer.WriteViewer(ctx, key, rec, seen)
}

// BusyError says that too much was written of a session, and for how long nothing is.
type BusyError struct{ Wait time.Duration }

// Error says when to try again.
func (e BusyError) Error() string {
	return "the desktop was taken over too often in a short time; try again in a moment"
}

// Enter says that a page has a stream here.
func (v *Viewers) Enter(p Page) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open[p]++
	v.stay(p)
}

// Leave says that the stream has ended. A page that viewed and does not come back gives
// the view free.
func (v *Viewers) Leave(p Page) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[p]--; v.open[p] > 0 {
		return
	}
	delete(v.open, p)
	v.leaveAfter(p, ClosedAfter)
}

// Asks says that a page without a stream is there.
func (v *Viewers) Asks(p Page) {
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
	if view, ok := v.dir.View(p.Session); !ok || !Single(view.Session) || v.stopping.Err() != nil {
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

// Here says that a page has a stream at this replica.
func (v *Viewers) Here(p Page) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open[p] > 0
}

// release gives the view of a closed page free, unless another replica has the page by
// now.
func (v *Viewers) release(p Page) {
	v.settle(p.Session, func(s *v1alpha1.VDISession) (*v1alpha1.SessionViewer, bool) {
		if ViewedBy(s) != p.Name || RecordOf(s).Replica != v.Replica || v.Here(p) {
			return nil, false
		}
		return v.Record(s, ""), true
	})
}

// settleAttempts bounds how often a write is tried that nobody waits for.
const settleAttempts = 8

// settle writes what next concludes from the session as it is, if anything.
func (v *Viewers) settle(key types.NamespacedName, next func(*v1alpha1.VDISession) (*v1alpha1.SessionViewer, bool)) {
	for range settleAttempts {
		view, ok := v.dir.View(key)
		if !ok || v.stopping.Err() != nil {
			return
		}
		rec, due := next(view.Session)
		if !due {
			return
		}
		err := v.Write(v.stopping, view.Session, rec, view.Session.ResourceVersion)
		pause := Retry
		if busy := (BusyError{}); errors.As(err, &busy) {
			pause = busy.Wait
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

// Take makes a page the viewer, whoever is it now, and says whether somebody was.
func (v *Viewers) Take(ctx context.Context, key types.NamespacedName, page string) (from string, err error) {
	view, ok := v.dir.View(key)
	if !ok {
		return "", record.ErrGone
	}
	from = ViewedBy(view.Session)
	if !Single(view.Session) || from == page {
		return "", nil
	}
	if err := v.Write(ctx, view.Session, v.Record(view.Session, page), ""); err != nil {
		return "", err
	}
	return from, nil
}
