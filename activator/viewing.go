package activator

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// viewing is an open page's part in who views. Its methods run on the page's goroutine.
type viewing struct {
	// page is the page's name; empty is a page without one, which claims nothing.
	page string
	// claimed says that the page may show the desktop although the record says nobody:
	// its claim was written a moment ago, or, with unwritten, cannot be.
	claimed, unwritten bool
	// adopted says that the record has this replica's name, or once had it: of two
	// replicas that believe to have the page's stream the later one keeps it.
	adopted bool
	// passive says that the page saw its desktop asleep, and that no person has asked for
	// it on this page since.
	passive bool
	// again is when to try again; nil is at the next change.
	again <-chan time.Time
}

// view claims the only view of a desktop for this page where nobody has it, and puts
// this replica's name to a page that has it. It says whether the page has to be told.
func (p *openPage) view(ctx context.Context, view directory.View) (news bool) {
	s, w := view.Session, &p.viewing
	w.again = nil
	if p.last != nil {
		switch p.last.State {
		case page.StateAsleep, page.StateFailed, page.StateOff:
			w.passive = true
		}
	}
	by := viewer.ViewedBy(s)
	switch {
	case w.page == "" || !viewer.Single(s) || by != "" && by != w.page:
		w.claimed, w.unwritten, w.adopted = false, false, false
		return false
	case by == w.page:
		w.claimed, w.unwritten, w.passive = false, false, false
		w.adopted = w.adopted || viewer.RecordOf(s).Replica == p.server.viewers.Replica
		if !w.adopted {
			rec := *viewer.RecordOf(s)
			rec.Replica = p.server.viewers.Replica
			w.adopted = p.recorded(ctx, s, &rec) == nil
		}
		return false
	case w.claimed && !w.unwritten, !p.wants():
		return false
	}
	err := p.recorded(ctx, s, p.server.viewers.Record(s, w.page))
	told := w.claimed
	switch {
	case err == nil:
		w.claimed, w.unwritten, w.adopted = true, false, true
	case errors.Is(err, record.ErrChanged), errors.As(err, new(viewer.BusyError)):
		return false
	default:
		// Nobody's desktop waits for the record.
		w.claimed, w.unwritten = true, true
	}
	return !told
}

// wants says that the page would show the desktop. One that saw it asleep leaves it to
// the page on which a person woke it, until the desktop is there.
func (p *openPage) wants() bool {
	if p.last == nil {
		return false
	}
	switch p.last.State {
	case page.StateReady:
		return true
	case page.StateWaiting:
		return !p.viewing.passive
	}
	return false
}

// recorded writes a record on the condition that the session is as s, and notes when to
// try again.
func (p *openPage) recorded(ctx context.Context, s *v1alpha1.VDISession, rec *v1alpha1.SessionViewer) error {
	err := p.server.viewers.Write(ctx, s, rec, s.ResourceVersion)
	if err == nil {
		return nil
	}
	pause := viewer.Retry
	if busy := (viewer.BusyError{}); errors.As(err, &busy) {
		pause = busy.Wait
	}
	p.viewing.again = time.After(pause)
	return err
}

// polls is view for a page that asks instead of being told: it says whether the page has
// claimed the view just now.
func (s *Server) polls(ctx context.Context, view directory.View, page string) (claimed bool) {
	if page == "" || !viewer.Single(view.Session) {
		return false
	}
	asking := viewer.Page{Session: client.ObjectKeyFromObject(view.Session), Name: page}
	switch viewer.ViewedBy(view.Session) {
	case "":
		if lifecycle.NeedsPerson(view.Session) {
			return false
		}
		err := s.viewers.Write(ctx, view.Session, s.viewers.Record(view.Session, page), view.Session.ResourceVersion)
		if errors.Is(err, record.ErrChanged) || errors.As(err, new(viewer.BusyError)) {
			return false
		}
		claimed = true
	case page:
		if rec := *viewer.RecordOf(view.Session); rec.Replica != s.viewers.Replica && !s.viewers.Here(asking) {
			// It asked another replica before, which would take it for closed.
			rec.Replica = s.viewers.Replica
			_ = s.viewers.Write(ctx, view.Session, &rec, view.Session.ResourceVersion) // or the next time
		}
	default:
		return false
	}
	s.viewers.Asks(asking)
	return claimed
}
