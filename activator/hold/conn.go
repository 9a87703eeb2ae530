// Package hold keeps a visitor's WebSocket while the desktop starts: it reads what
// the client sends, keeps it within bounds, and plays it to the desktop in order
// and exactly once when there is one. From then on both talk as if nothing were
// between them; where nobody has to read what they say it passes as bytes.
//
// A desktop that goes before it has said anything is replaced: the client goes back
// to waiting and everything is replayed to the next one. The package neither wakes nor
// finds desktops: its Host gives it connections to them.
package hold

import (
	"errors"
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

// Limits bound what one client can make us keep, and for how long; see config.Limits.
type Limits struct {
	BufferedBytes, BufferedFrames, MessageBytes int
	// HoldTime bounds each wait for a desktop.
	HoldTime time.Duration
	// RelayIdle ends a relayed connection without traffic for so long; 0 never does.
	RelayIdle time.Duration
}

// Host is what a connection asks of the activator. Its methods may be called from
// any goroutine; none of them may wait, nor call the connection's back.
type Host interface {
	// Await calls done once, from a goroutine of its own, with a connection to the
	// desktop or the reason why there will be none; see probe.Prober.
	Await(done func(net.Conn, error)) (cancel func())
	// Gone is why the desktop cannot be reached any more, or nil while there is hope.
	Gone() error
	// Held says that the connection goes back to being held, because its desktop went
	// after it had upgraded. An error refuses that.
	Held() error
	// Rejected says that the desktop refused the upgrade, by an HTTP status or 0. Its
	// answer is whether that may only mean that the desktop starts.
	Rejected(status int) (starts bool)
	// Reached says that the desktop accepted a connection.
	Reached()
	// Live says that the desktop has everything and is talked to.
	Live()
	// First says that the desktop's first message is passed on.
	First()
	// Input says that a person typed.
	Input()
	// Withheld says that an access policy kept a message of either side back.
	Withheld(fromClient bool)
	// ToDesktop and ToClient count bytes that are passed.
	ToDesktop(bytes int)
	ToClient(bytes int)
	// Idle says that nothing was said for some time, or that this is over.
	Idle(bool)
	// Panicked says that a goroutine of this connection did.
	Panicked(any)
}

// Options are what a connection is made of.
type Options struct {
	Traits       signaling.Traits
	Conversation signaling.Conversation
	Request      *relay.Request
	Limits       Limits
	// HeldBytes bounds what connections keep together; nil bounds nothing. The request is in
	// it already.
	HeldBytes Budget
	Host      Host
}

// Budget is a connection's part of what all may keep. Take says which limit is reached;
// Return gives some of it back, ReturnAll all.
type Budget interface {
	Take(bytes int) error
	Return(bytes int)
	ReturnAll()
}

// Conn is a visitor's WebSocket.
type Conn struct {
	// wrapped is the connection as it came, conn the same without its wrappers.
	wrapped, conn net.Conn
	in            *frame.Reader
	out           *frame.Writer
	opts          Options
	// sifter is the conversation, where it keeps messages back by their beginning.
	sifter signaling.Sifter
	// coming is the client's message that is being read.
	coming coming

	// talk serialises the calls of the conversation.
	talk sync.Mutex
	// spoken says that data went by since the last ping.
	spoken atomic.Bool
	// desktops are the goroutines that serve one, at most one at a time, and may write
	// to the client; parting are those that only wait for their desktop's last word.
	desktops, parting sync.WaitGroup

	mu sync.Mutex
	// changed signals every change of end and phase.
	changed sync.Cond
	// end is why the connection ends; nil while it does not.
	end   error
	phase phase
	// backlog is what a desktop has to receive, bytes its length, and played how many
	// messages of it this desktop received. settled says that no other desktop will receive
	// it, so that nothing is kept any more.
	backlog       []signaling.Message
	bytes, played int
	settled       bool
	desktop       *desktop
	// cancel ends the wait of the given number for a desktop, and redial, the
	// pause before the next one.
	cancel func()
	waits  int
	redial *time.Timer
	pause  time.Duration
	// refused is how the desktop that starts refused the upgrade last, if it did.
	refused *relay.Rejected

	keepalive keepalive
}

type phase uint8

const (
	// waiting for a desktop, or for its answer.
	waiting phase = iota
	// playing the backlog; the client's next messages wait for the end of it.
	playing
	// live: what the client says goes to the desktop at once.
	live
)

// Accept takes an upgraded connection, of which before was read already. The caller must
// call Serve.
func Accept(conn net.Conn, before []byte, o Options) *Conn {
	c := &Conn{wrapped: conn, conn: frame.Bare(conn), opts: o, pause: max(lostPause, o.Traits.Redial),
		in: frame.NewReader(conn, true, before), out: frame.NewWriter(conn, false)}
	c.sifter, _ = o.Conversation.(signaling.Sifter)
	c.changed.L = &c.mu
	c.coming.budget = o.HeldBytes
	c.in.Announced = c.coming.announced
	watch(c.conn)
	return c
}

// Serve holds and relays until the connection has ended, and returns how.
func (c *Conn) Serve() error {
	c.beat()
	c.await()
	c.End(c.reading())
	return c.part()
}

// reading is read, whose panic is an end like any other.
func (c *Conn) reading() (end error) {
	defer func() {
		if p := recover(); p != nil {
			c.opts.Host.Panicked(p)
			end = closing.Failed.Ending()
		}
	}()
	return c.read()
}

// Refuse ends an upgraded connection at once.
func Refuse(conn net.Conn, before []byte, why *closing.Ending) {
	c := Accept(conn, before, Options{})
	c.End(why)
	_ = c.part()
}

// StopHolding ends the connection unless it is live.
func (c *Conn) StopHolding() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == waiting {
		c.endLocked(closing.ShuttingDown.Ending())
	}
}

// End ends the connection, whatever it does, and unblocks what waits for a peer. The first
// reason counts; it is a *closing.Ending, or that the client left.
func (c *Conn) End(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(why)
}

func (c *Conn) endLocked(why error) {
	if c.end != nil {
		return
	}
	c.end = why
	c.changed.Broadcast()
	_ = c.conn.SetReadDeadline(past)
	// What is being written to a client that is there may reach a frame's end.
	patience := closeWithin
	if Left(why) || c.out.Idle() {
		patience = 0
	}
	c.out.CutOff(patience)
	if c.desktop != nil {
		c.desktop.out.CutOff(closeWithin)
		c.desktop.cutOff(patience)
	}
}

// past is a deadline that was missed.
var past = time.Unix(1, 0)

// ended waits for the end.
func (c *Conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.end == nil {
		c.changed.Wait()
	}
	return c.end
}

// part closes what is open, and gives a client that is still there a moment to read
// why and to answer.
func (c *Conn) part() error {
	c.mu.Lock()
	end, cancel, redial := c.end, c.cancel, c.redial
	c.keepalive.stop()
	c.mu.Unlock()
	if redial != nil {
		redial.Stop()
	}
	if cancel != nil {
		cancel()
	}
	c.desktops.Wait()
	c.mu.Lock()
	c.settle()
	c.mu.Unlock()
	if c.keepalive.idle {
		c.opts.Host.Idle(false)
	}
	defer func() {
		_ = c.wrapped.Close()
		c.in.Forget()
		c.parting.Wait()
	}()
	_ = c.conn.SetReadDeadline(time.Now().Add(closeWithin))
	var gone *left
	var e *closing.Ending
	switch {
	case errors.As(end, &gone) && gone.said != nil:
		c.out.Close(gone.said, closeWithin)
	case errors.As(end, &e) && c.out.Close(e.Frame(), closeWithin):
		drain(c.in)
	}
	return end
}

// drain reads, and forgets, until the peer has answered the close frame, or is gone:
// a connection closed with something unread is reset, and the frame lost with it.
func drain(r *frame.Reader) {
	for {
		span, err := r.Span(0, false)
		if errors.As(err, new(*closing.Ending)) {
			r.Discard()
			return
		}
		if err != nil || span.Control == ws.OpClose {
			return
		}
	}
}
