package activator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// aliveEvery is the pause between comments in a stream without events: proxies end
	// streams that are silent for a minute, some for half of one.
	aliveEvery = 15 * time.Second
	// eventWithin is how long one event may take to be written.
	eventWithin = 10 * time.Second
	// reconnectAfter is what a page waits before it opens an ended stream again.
	reconnectAfter = time.Second
)

// serveEvents tells a page how its session stands, and again at each change, until the
// page is closed. An open page is a visit: it keeps the desktop wanted.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, v visitor) {
	if s.holding.Err() != nil {
		s.refuse(w, closing.ShuttingDown.Ending())
		return
	}
	leave, err := s.pages.enter(v.key)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	// The page opens its next stream by another connection: at another replica, if this
	// one stops.
	h.Set("Connection", "close")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.holding, cancel)()
	p := &openPage{server: s, visitor: v, path: v.at(r), w: w, control: http.NewResponseController(w), told: make(chan reached, 1)}
	defer p.leave()
	if p.viewing.page = page.NameOf(r); p.viewing.page != "" {
		named := viewer.Page{Session: v.key, Name: p.viewing.page}
		s.viewers.Enter(named)
		defer s.viewers.Leave(named)
	}
	if p.write("retry: %d\n\n", reconnectAfter.Milliseconds()) == nil {
		p.follow(ctx)
	}
}

// openPage is a page that is told of changes. Its methods run on one goroutine.
type openPage struct {
	server *Server
	visitor
	path    string
	w       http.ResponseWriter
	control *http.ResponseController
	last    *page.Status
	viewing viewing
	// usually is how long starts take; it is looked up once for each start.
	usually  time.Duration
	lookedUp bool

	// visit is the page's, while the desktop is wanted.
	visit *wake.Visit
	// cancel ends the wait for the desktop; told gets its outcome.
	cancel func()
	told   chan reached
	// hopeless is the change that there must be before it is worth to wait again.
	hopeless <-chan struct{}
	// pod is the one that accepted a connection, if any; started says that the API has
	// said since that its container runs.
	pod     types.UID
	started bool
}

// reached is the outcome of waiting for the desktop.
type reached struct{ err error }

// follow writes an event for each change until ctx ends, or the session is gone.
func (p *openPage) follow(ctx context.Context) {
	alive := time.NewTimer(aliveEvery)
	defer alive.Stop()
	for {
		view, ok := p.server.Directory.View(p.key)
		if !ok || view.Session.UID != p.session.UID {
			return
		}
		p.attend(view)
		if err := p.tell(view); err != nil {
			return
		}
		if p.view(ctx, view) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-view.Changed:
		case <-p.viewing.again:
		case o := <-p.told:
			p.cancel = nil
			if now, ok := p.server.Directory.View(p.key); ok && o.err == nil && now.Pod != nil {
				p.pod, p.started = now.Pod.UID, now.Pod.Started
				p.visit.Reached()
				p.visit.Served()
			} else {
				p.hopeless = view.Changed
			}
		case <-alive.C:
			if p.write(": still here\n\n") != nil {
				return
			}
			alive.Reset(aliveEvery)
		}
	}
}

// attend keeps the desktop wanted while no person has to ask for it first, and learns
// when it accepts connections.
func (p *openPage) attend(view directory.View) {
	pod := view.Pod
	lost := pod == nil || lifecycle.Asleep(view.Session) || pod.UID != p.pod || p.started && !pod.Started
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
	if lifecycle.NeedsPerson(view.Session) {
		p.leave()
		return
	}
	if p.visit == nil {
		p.visit = p.server.Tracker.Enter(view.Session)
	}
	if p.cancel == nil && p.hopeless != view.Changed {
		told := p.told
		p.cancel = p.server.prober.AwaitAccept(p.reach(p.visit), func(err error) { told <- reached{err} })
	}
}

// leave ends the visit and the wait.
func (p *openPage) leave() {
	if p.cancel != nil {
		p.cancel()
		// It may be under way: its outcome is nobody's business any more.
		p.cancel, p.told = nil, make(chan reached, 1)
	}
	if p.visit != nil {
		p.visit.Leave()
		p.visit = nil
	}
}

// tell writes an event if anything changed for the page.
func (p *openPage) tell(view directory.View) error {
	f := p.server.facts(view, p.path)
	if f.Reachable = p.pod != ""; !f.Reachable && !p.lookedUp {
		p.lookedUp, p.usually = true, p.server.Directory.MedianStart(view.Session.Spec.Template)
	}
	f.Usually = p.usually
	f.Viewing = viewer.ViewingOf(view.Session, p.viewing.page, p.viewing.claimed)
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

func (p *openPage) write(format string, args ...any) error {
	// Not every writer knows deadlines; those of net/http do.
	_ = p.control.SetWriteDeadline(time.Now().Add(eventWithin))
	if _, err := fmt.Fprintf(p.w, format, args...); err != nil {
		return err
	}
	return p.control.Flush()
}
