package hold

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
)

const (
	// answerWithin is how long a desktop that accepted the connection may take to
	// answer the upgrade before another attempt is made.
	answerWithin = 30 * time.Second
	// notReadyPause is the shortest pause after a desktop that was not ready to answer, and
	// notReadyMost the longest. The pause is the wait so far divided by notReadyShare: a
	// desktop that takes long is found hardly later.
	notReadyPause = 50 * time.Millisecond
	notReadyMost  = 2 * time.Second
	notReadyShare = 40
	// lostPause is the pause after a desktop that went before it said anything; it
	// doubles up to lostMost.
	lostPause = 100 * time.Millisecond
	lostMost  = 5 * time.Second
	// retriesAtOnce bounds the protocol's own retries that wait for their time.
	retriesAtOnce = 8
)

// desktop is a connection to one.
type desktop struct {
	wrapped net.Conn
	in      *frame.Reader
	out     *frame.Writer
	// open says that it has upgraded, spoke that its first message was passed on. Only its
	// own goroutine uses them.
	open, spoke bool
	retries     atomic.Int32

	// mu keeps a deadline that cutOff has set from being moved.
	mu  sync.Mutex
	cut bool
}

func newDesktop(conn net.Conn) *desktop {
	return &desktop{wrapped: conn, in: frame.NewReader(conn, false, nil), out: frame.NewWriter(conn, true)}
}

func (d *desktop) close() {
	_ = d.wrapped.Close()
	d.in.Forget()
}

// cutOff lets reading fail after a while.
func (d *desktop) cutOff(after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	_ = d.wrapped.SetReadDeadline(time.Now().Add(after))
}

func (d *desktop) deadline(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.cut {
		_ = d.wrapped.SetReadDeadline(t)
	}
}

// await asks for a desktop.
func (c *Conn) await() {
	c.mu.Lock()
	c.waits++
	wait, ended := c.waits, c.end != nil
	c.mu.Unlock()
	if ended {
		return
	}
	cancel := c.opts.Host.Await(c.attach)
	c.mu.Lock()
	if c.waits == wait && c.end == nil {
		c.cancel, cancel = cancel, nil
	}
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// attach takes a desktop, or why there will be none.
func (c *Conn) attach(conn net.Conn, err error) {
	if err != nil {
		c.End(closing.Of(err))
		return
	}
	c.take(newDesktop(conn))
}

// take serves a desktop, unless the connection has ended.
func (c *Conn) take(d *desktop) {
	c.mu.Lock()
	if c.end != nil {
		c.mu.Unlock()
		d.close()
		return
	}
	c.desktop, c.cancel = d, nil
	c.desktops.Add(1)
	c.parting.Add(1)
	c.mu.Unlock()
	defer c.parting.Done()
	defer d.close()
	defer func() {
		if p := recover(); p != nil {
			c.opts.Host.Panicked(p)
			c.End(closing.Failed.Ending())
		}
	}()
	if c.serve(d) {
		drain(d.in)
	}
}

// serve serves a desktop; true when it was sent the end and may answer.
func (c *Conn) serve(d *desktop) bool {
	defer c.desktops.Done()
	watch(frame.Bare(d.wrapped))
	c.opts.Host.Reached()
	why := c.converse(d)
	return !c.lost(why) && d.part(c.ended(), why)
}

func (c *Conn) attached() {
	c.talk.Lock()
	defer c.talk.Unlock()
	c.opts.Conversation.Attached()
}

// converse serves a desktop from its upgrade to its end, and says what that was.
func (c *Conn) converse(d *desktop) error {
	if !d.open {
		if err := c.upgrade(d); err != nil {
			return err
		}
	}
	c.attached()
	if c.play(d) != nil {
		// What it said before it went is worth reading.
		d.cutOff(closeWithin)
	}
	return c.listen(d)
}

// upgrade asks for the desktop's end of the WebSocket. Where the protocol allows it
// the backlog goes with the request, so that it is read in one go.
func (c *Conn) upgrade(d *desktop) error {
	b := c.opts.Request.Head
	c.mu.Lock()
	c.played = 0
	if c.opts.Traits.Pipelines {
		c.played = len(c.backlog)
		b = frames(b[:len(b):len(b)], c.backlog)
	}
	c.mu.Unlock()
	subprotocol, err := d.ask(c.opts.Request, b)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.refused = nil
	c.mu.Unlock()
	return c.opts.Request.Keeps(subprotocol)
}

// ask sends b, which begins with the request, and returns the subprotocol that a desktop
// which upgrades has chosen.
func (d *desktop) ask(q *relay.Request, b []byte) (subprotocol string, err error) {
	d.deadline(time.Now().Add(answerWithin))
	if err := d.out.Raw(b); err != nil {
		return "", fmt.Errorf("%w: %w", relay.ErrStarting, errors.Unwrap(err))
	}
	head, err := d.in.Head(q.AnswerBytes())
	if err != nil {
		return "", fmt.Errorf("%w: %w", relay.ErrStarting, err)
	}
	subprotocol, err = q.Check(head)
	if err != nil {
		return "", err
	}
	d.deadline(time.Time{})
	d.open = true
	return subprotocol, nil
}

// listen passes on what the desktop says until it ends, and says how; a
// *frame.WriteError is the client's failure.
func (c *Conn) listen(d *desktop) error {
	w, kept := c.fromDesktop(d), c.opts.Limits.MessageBytes
	if c.sifter != nil {
		kept = signaling.SiftBytes // frames of video are not read any further
	}
	for {
		if d.spoke && !c.opts.Traits.ReadsDesktop && !d.in.Open() {
			return w.Pass()
		}
		f, err := d.in.Read(kept)
		switch {
		case errors.Is(err, frame.ErrLong):
			err = c.longFromDesktop(d, w)
		case err != nil:
		case f.Op == ws.OpClose:
			err = &closed{f.Data}
		case f.Op == ws.OpPing:
			_ = d.out.Send(ws.OpPong, f.Data) // its failure is read
		case f.Op == ws.OpPong:
			err = c.out.Send(f.Op, f.Data)
		default:
			err = c.heard(d, f)
		}
		if err != nil {
			return err
		}
	}
}

// longFromDesktop passes on what is too long to be kept, unless its beginning says that it may not.
func (c *Conn) longFromDesktop(d *desktop, w *relay.Way) error {
	passes, err := c.passes(d.in, false)
	switch {
	case err != nil:
		return err
	case !passes:
		c.opts.Host.Withheld(false)
		return w.DropMessage()
	}
	c.first(d)
	return w.PassMessage()
}

func (c *Conn) fromDesktop(d *desktop) *relay.Way {
	w := &relay.Way{From: d.in, To: c.out, Moved: func(n int) {
		c.spoken.Store(true)
		c.opts.Host.ToClient(n)
	}}
	w.Control = func(op ws.OpCode, raw []byte) error {
		if op == ws.OpClose {
			return &closed{frame.Payload(raw)}
		}
		return c.out.Pass(raw, false, w.Open())
	}
	return w
}

// first settles on a desktop, because the client hears of it.
func (c *Conn) first(d *desktop) {
	if d.spoke {
		return
	}
	d.spoke = true
	c.mu.Lock()
	c.settle()
	c.mu.Unlock()
	c.opts.Host.First()
}

// heard does what the protocol says follows from a message of the desktop.
func (c *Conn) heard(d *desktop, f frame.Frame) error {
	step, err := c.follow(c.opts.Conversation.FromDesktop, f)
	if err != nil {
		return err
	}
	if step.Withheld {
		c.opts.Host.Withheld(false)
	}
	for _, m := range step.ToClient {
		c.first(d)
		c.spoken.Store(true)
		c.opts.Host.ToClient(len(m.Data))
		if err := c.out.Send(opcode(m), m.Data); err != nil {
			return err
		}
	}
	c.retry(d, step)
	return nil
}

// retry sends what the protocol itself has to say to this desktop, in its time.
func (c *Conn) retry(d *desktop, step signaling.Step) {
	send := func() {
		for _, m := range step.ToDesktop {
			if d.out.Send(opcode(m), m.Data) != nil {
				return // its end is read
			}
		}
	}
	switch {
	case len(step.ToDesktop) == 0:
	case step.After <= 0:
		send()
	case d.retries.Add(1) > retriesAtOnce:
		d.retries.Add(-1)
	default:
		time.AfterFunc(step.After, func() {
			send()
			d.retries.Add(-1)
		})
	}
}

// lost decides what follows from a desktop's end: true when the client waits for
// another one, and false when its connection ends too.
func (c *Conn) lost(why error) bool {
	early := c.early(why)
	var toClient *frame.WriteError
	c.mu.Lock()
	if c.end == nil && errors.As(why, &toClient) && !errors.Is(why, relay.ErrStarting) {
		// Its reader may be about to find the client's close frame, which says more.
		_ = c.conn.SetReadDeadline(time.Now().Add(closeWithin))
		c.mu.Unlock()
		enough := time.AfterFunc(closeWithin, func() { c.End(&left{err: toClient}) })
		_ = c.ended()
		enough.Stop()
		return false
	}
	defer c.mu.Unlock()
	if c.end != nil {
		return false
	}
	if reason := c.opts.Host.Gone(); reason != nil {
		// It went because of what happened to the session: say that.
		c.endLocked(closing.Of(reason))
		return false
	}
	var no *relay.Rejected
	var said *closed
	var e *closing.Ending
	switch {
	case errors.As(why, &e):
		c.endLocked(e)
	case errors.As(why, &no):
		if c.opts.Host.Rejected(no.Status) {
			c.refused = no
			return c.hold(c.notReady())
		}
		c.endLocked(no.Ending())
	case errors.Is(why, relay.ErrStarting):
		c.refused = nil
		return c.hold(c.notReady())
	case errors.As(why, &said) && (c.settled || !said.leaves() && !early):
		c.endLocked(said.ending())
	case c.settled:
		c.endLocked(closing.Interrupted.Ending())
	default:
		if err := c.opts.Host.Held(); err != nil {
			c.endLocked(closing.Of(err))
			return false
		}
		if early {
			c.keepalive.arm(true) // the hold goes on
		} else {
			c.keepalive.held(c.opts.Limits.HoldTime)
		}
		pause := c.pause
		if most := c.opts.Traits.EarlyPause; early && most > 0 {
			pause = min(pause, most)
		}
		c.pause = min(2*c.pause, lostMost)
		return c.hold(pause)
	}
	return false
}

// notReady is the pause after a desktop that was not ready to answer; the caller holds
// the lock.
func (c *Conn) notReady() time.Duration {
	waited := c.opts.Limits.HoldTime - time.Until(c.keepalive.until)
	return max(c.opts.Traits.Redial, notReadyPause, min(waited/notReadyShare, notReadyMost))
}

// early says that the desktop closed because another client has to come, or to go,
// first. The caller does not hold the lock.
func (c *Conn) early(why error) bool {
	var said *closed
	patient, ok := c.opts.Conversation.(signaling.Patient)
	if !ok || !errors.As(why, &said) {
		return false
	}
	c.talk.Lock()
	defer c.talk.Unlock()
	return patient.Early(parseClose(said.said))
}

// hold asks for another desktop after a pause; the caller holds the lock.
func (c *Conn) hold(pause time.Duration) bool {
	c.phase, c.played, c.desktop = waiting, 0, nil
	c.changed.Broadcast()
	c.redial = time.AfterFunc(pause, c.await)
	return true
}

// part sends the desktop the end of its client's connection; true when it has a
// moment to answer.
func (d *desktop) part(end, why error) bool {
	d.cutOff(closeWithin)
	if !d.open {
		return false
	}
	if c := (*closed)(nil); errors.As(why, &c) {
		d.out.Close(c.said, closeWithin)
		return false // it has said its last word
	}
	return d.out.Close(farewell(end), closeWithin)
}
