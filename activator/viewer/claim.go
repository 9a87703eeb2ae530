package viewer

import (
	"context"
	"errors"
	"time"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Viewing says whose the view of a desktop is that can have one viewer only, as one page
// sees it.
type Viewing string

// The answers.
const (
	// ViewingFree: the desktop takes several, or settles it with them itself.
	ViewingFree Viewing = ""
	// ViewingOpen: nobody's as yet, or it is not known which page asks; a frame that is
	// not loaded waits.
	ViewingOpen Viewing = "open"
	// ViewingYours: this page shows it.
	ViewingYours Viewing = "yours"
	// ViewingOthers: another page shows it.
	ViewingOthers Viewing = "others"
)

// Claim is one page's part in who views. Its methods run on one goroutine.
type Claim struct {
	Page Page
	// Again is when to settle once more; nil is at the next change.
	Again <-chan time.Time

	viewers *Viewers
	// claimed says that the page may show the desktop although the record says nobody:
	// its claim was written a moment ago, or, with unwritten, cannot be.
	claimed, unwritten bool
	// adopted says that the record has this replica's name, or once had it: of two
	// replicas that believe to have the page's stream the later one keeps it.
	adopted bool
}

// Open says that a page has a stream here. Close must be called.
func (v *Viewers) Open(p Page) *Claim {
	if p.Name != "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.open[p]++
		v.stay(p)
	}
	return &Claim{viewers: v, Page: p}
}

// Close says that the stream has ended. A page that viewed and does not come back gives
// the view free.
func (c *Claim) Close() {
	if c.Page.Name == "" {
		return
	}
	v := c.viewers
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[c.Page]--; v.open[c.Page] == 0 {
		delete(v.open, c.Page)
		v.leaveAfter(c.Page, closedAfter)
	}
}

// Asks settles for a page that asks instead of having a stream, and returns whose the view
// is.
func (v *Viewers) Asks(ctx context.Context, p Page, s *v1alpha1.VDISession) Viewing {
	// Where its stream is here too, that one settles which replica's name is on record.
	c := Claim{viewers: v, Page: p, adopted: v.here(p)}
	c.Settle(ctx, s, !lifecycle.NeedsPerson(s))
	viewing := c.Viewing(s)
	if viewing == ViewingYours {
		v.asked(p)
	}
	return viewing
}

// Viewing says whose the view is.
func (c *Claim) Viewing(s *v1alpha1.VDISession) Viewing {
	if !single(s) {
		return ViewingFree
	}
	switch by := ViewedBy(s); {
	case c.Page.Name != "" && (by == c.Page.Name || by == "" && c.claimed):
		return ViewingYours
	case c.Page.Name == "" || by == "":
		return ViewingOpen
	}
	return ViewingOthers
}

// Settle claims the only view of a desktop for a page that wants it where nobody has it,
// and puts this replica's name to a page that has it. It says whether the page has to
// learn of it.
func (c *Claim) Settle(ctx context.Context, s *v1alpha1.VDISession, wants bool) (news bool) {
	c.Again = nil
	by := ViewedBy(s)
	switch {
	case c.Page.Name == "" || !single(s) || by != "" && by != c.Page.Name:
		c.claimed, c.unwritten, c.adopted = false, false, false
		return false
	case by == c.Page.Name:
		c.claimed, c.unwritten = false, false
		if c.adopted = c.adopted || recordOf(s).Replica == c.viewers.replica; !c.adopted {
			// The replica on record would take the page for closed.
			rec := *recordOf(s)
			rec.Replica = c.viewers.replica
			c.adopted = c.write(ctx, s, &rec) == nil
		}
		return false
	case c.claimed && !c.unwritten, !wants:
		return false
	}
	err := c.write(ctx, s, c.viewers.record(s, c.Page.Name))
	if errors.Is(err, record.ErrChanged) || errors.As(err, new(BusyError)) {
		return false
	}
	news = !c.claimed
	// Nobody's desktop waits for the record.
	c.claimed, c.unwritten, c.adopted = true, err != nil, c.adopted || err == nil
	return news
}

// write writes a record on the condition that the session is as s, and notes when to try
// again.
func (c *Claim) write(ctx context.Context, s *v1alpha1.VDISession, rec *v1alpha1.SessionViewer) error {
	err := c.viewers.write(ctx, s, rec, s.ResourceVersion)
	if err != nil {
		c.Again = time.After(pause(err))
	}
	return err
}
