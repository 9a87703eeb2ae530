package pageapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// eventWithin is how long one event may take to be written.
	eventWithin = 10 * time.Second
	// reconnectAfter is what a page waits before it opens an ended stream again.
	reconnectAfter = time.Second
)

// serveEvents sends a page the session's status, and each change of it, until the page is
// closed. An open page is a visit: it keeps the desktop wanted.
func (a *API) serveEvents(w http.ResponseWriter, r *http.Request, v Visitor) {
	if a.Stopping.Err() != nil {
		a.Refuse(w, closing.ShuttingDown.Ending())
		return
	}
	release, err := a.Pages.Acquire(v.Key())
	if err != nil {
		a.Refuse(w, err)
		return
	}
	defer release()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	// The page opens its next stream by another connection: at another replica, if this
	// one stops.
	h.Set("Connection", "close")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.Stopping, cancel)()
	p := &stream{API: a, Visitor: v, path: v.framed(r), screen: page.ScreenOf(r), w: w, control: http.NewResponseController(w), outcome: make(chan error, 1),
		claim: a.Viewers.Open(v.page(r))}
	defer p.claim.Close()
	defer p.leave()
	if p.write("retry: %d\n\n", reconnectAfter.Milliseconds()) == nil {
		p.follow(ctx)
		p.part(context.Cause(ctx))
	}
}

// part tells the page why its visitor may not go on, or that it has to be loaded again since they
// may do something else now, or see something else.
func (p *stream) part(why error) {
	e := (*closing.Ending)(nil)
	if !errors.As(why, &e) || e.Refusal == nil {
		return
	}
	p.Metrics.Refused(e.Label())
	if e.Refusal == closing.RoleChanged || e.Refusal == closing.AccessChanged {
		_ = p.write("event: %s\ndata: -\n\n", page.ReloadEvent)
		return
	}
	if data, err := json.Marshal(page.Ended(e.Refusal)); err == nil {
		_ = p.write("data: %s\n\n", data)
	}
}

// stream is a page's stream of events. Its methods run on one goroutine.
type stream struct {
	*API
	Visitor
	path string
	// screen is the page's; nil where that is not known.
	screen  *page.Screen
	w       http.ResponseWriter
	control *http.ResponseController
	last    *page.Status
	// usually is how long starts take; it is looked up once for each start.
	usually  time.Duration
	lookedUp bool

	claim *viewer.Claim
	// passive says that the page saw its desktop asleep, and that no person has asked for
	// it on this page since.
	passive bool

	// visit is the page's, while the desktop is wanted.
	visit *wake.Visit
	// cancel ends the wait for the desktop, of which outcome gets the outcome.
	cancel  func()
	outcome chan error
	// stoodInAt is the agent that was asked to stand in, and unneeded takes that back.
	stoodInAt string
	unneeded  context.CancelFunc
	// hopeless is the change that there must be before it is worth to wait again.
	hopeless <-chan struct{}
	// pod is the one that accepted a connection, if any; started says that the API has
	// said since that its container runs.
	pod     types.UID
	started bool
}

// follow writes an event for each change until ctx ends, or the session is gone.
func (p *stream) follow(ctx context.Context) {
	beat := time.NewTicker(page.BeatEvery)
	defer beat.Stop()
	for {
		view, ok := p.Directory.Current(p.View)
		if !ok {
			return
		}
		p.attend(view)
		if err := p.send(view); err != nil {
			return
		}
		if p.claim.Settle(ctx, view.Session, p.wants(view)) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-view.Changed:
		case <-p.claim.Again:
		case err := <-p.outcome:
			p.cancel = nil
			if now, ok := p.Directory.View(p.Key()); ok && err == nil && now.Pod != nil {
				p.pod, p.started = now.Pod.UID, now.Pod.Started
				p.visit.Reached()
				p.visit.Served()
			} else {
				p.hopeless = view.Changed
			}
		case <-beat.C:
			if p.write("event: %s\ndata: -\n\n", page.BeatEvent) != nil {
				return
			}
		}
	}
}

// wants says that the page would show the desktop. One that saw it asleep leaves it to
// the page on which a person woke it, until the desktop is there.
func (p *stream) wants(view directory.View) bool {
	switch p.last.State {
	case page.StateReady:
		return true
	case page.StateAsleep, page.StateFailed, page.StateOff:
		p.passive = true
	}
	if viewer.ViewedBy(view.Session) == p.claim.Page.Name {
		p.passive = false
	}
	return p.last.State == page.StateWaiting && !p.passive
}

// attend keeps the desktop wanted while no person has to ask for it first, and learns
// when it accepts connections.
func (p *stream) attend(view directory.View) {
	pod := view.Pod
	lost := pod == nil || lifecycle.Asleep(view.Session) || p.Prober.Frozen(view) || pod.UID != p.pod || p.started && !pod.Started
	if p.pod != "" && lost {
		p.pod, p.lookedUp = "", false
		// The visit that was served is over; should the desktop come again, it is for
		// another one.
		p.leave()
	}
	if p.pod != "" {
		p.started = p.started || pod.Started
		return
	}
	wakes := p.Who.May(access.Wake)
	if lifecycle.NeedsPerson(view.Session) || !wakes && !lifecycle.Runs(view.Session) {
		p.leave()
		return
	}
	if p.visit == nil {
		p.visit = p.Enter(p.Who, view.Session, p.From)
	}
	p.standIn(view)
	if p.cancel == nil && p.hopeless != view.Changed {
		outcome, visit := p.outcome, probe.VisitOf(p.Session, p.visit.Slept())
		visit.Thaws = wakes
		p.cancel = p.Prober.AwaitAccept(visit, func(err error) { outcome <- err })
	}
}

// leave ends the visit and the wait.
func (p *stream) leave() {
	p.standDown()
	if p.cancel != nil {
		p.cancel()
		// It may be under way; nobody waits for its outcome any more.
		p.cancel, p.outcome = nil, make(chan error, 1)
	}
	if p.visit != nil {
		p.visit.Leave()
		p.visit = nil
	}
}

// send writes an event if anything changed for the page.
func (p *stream) send(view directory.View) error {
	f := p.facts(p.Visitor, view, p.path)
	if f.Reachable = p.pod != ""; !f.Reachable && !p.lookedUp {
		p.lookedUp, p.usually = true, p.Directory.MedianStart(view.Session.Spec.Template)
	}
	f.Usually = p.usually
	f.Viewing = p.claim.Viewing(view.Session)
	status := page.Describe(f)
	if p.last != nil && status.Same(*p.last) {
		return nil
	}
	data, err := json.Marshal(status)
	if err != nil {
		return err
	}
	p.last = &status
	return p.write("data: %s\n\n", data)
}

func (p *stream) write(format string, args ...any) error {
	// Not every writer knows deadlines; those of net/http do.
	_ = p.control.SetWriteDeadline(time.Now().Add(eventWithin))
	if _, err := fmt.Fprintf(p.w, format, args...); err != nil {
		return err
	}
	return p.control.Flush()
}
