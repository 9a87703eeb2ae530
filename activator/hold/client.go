package hold

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
)

func opcode(m signaling.Message) ws.OpCode {
	if m.Text {
		return ws.OpText
	}
	return ws.OpBinary
}

// read takes what the client says until the connection ends, and says why.
func (c *Conn) read() error {
	for {
		if err := c.in.Wait(); err != nil {
			return clientError(err)
		}
		if d := c.unread(); d != nil {
			return c.passed(d, c.toDesktop(d).Pass())
		}
		f, err := c.in.Read(c.kept())
		switch {
		case errors.Is(err, frame.ErrLong):
			err = c.long()
		case err != nil:
			err = clientError(err)
		case f.Op.IsControl():
			err = c.control(f)
		default:
			c.coming.came() // what is kept of it is counted anew
			err = c.message(f)
		}
		if err != nil {
			return err
		}
	}
}

// kept is the longest message of the client that is read whole. Who sifts sees enough of the others.
func (c *Conn) kept() int {
	if c.sifter != nil {
		return max(c.opts.Limits.MessageBytes, signaling.SiftBytes)
	}
	return c.opts.Limits.MessageBytes
}

// passes says whether a long message may go on, by its beginning.
func (c *Conn) passes(from *frame.Reader, client bool) (bool, error) {
	if c.sifter == nil {
		return true, nil
	}
	head, err := from.Ahead(signaling.SiftBytes)
	return err == nil && c.sifter.Passes(client, signaling.Message{Text: head.Op == ws.OpText, Data: head.Data}), err
}

// unread returns the desktop to which the client's bytes go as they come, from the
// next message on; nil while they have to be read.
func (c *Conn) unread() *desktop {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != live || !c.settled || c.opts.Traits.ReadsClient || c.in.Open() {
		return nil
	}
	return c.desktop
}

func (c *Conn) toDesktop(d *desktop) *relay.Way {
	w := &relay.Way{From: c.in, To: d.out, Moved: func(n int) {
		c.spoken.Store(true)
		c.opts.Host.ToDesktop(n)
	}}
	if c.opts.Traits.Signaling {
		w.Limit = int64(c.opts.Limits.MessageBytes)
	}
	w.Control = func(op ws.OpCode, raw []byte) error {
		data := frame.Payload(raw)
		switch {
		case op == ws.OpClose:
			return &left{said: data}
		case op == ws.OpPong && string(data) == ours:
			return nil
		}
		return d.out.Pass(raw, false, w.Open())
	}
	return w
}

// passed says how passing to the desktop ended. Where the desktop takes no more, its
// own goroutine knows why.
func (c *Conn) passed(d *desktop, err error) error {
	if failed := (*frame.WriteError)(nil); errors.As(err, &failed) {
		d.cutOff(closeWithin)
		return c.ended()
	}
	return clientError(err)
}

// long passes a message on that is too long to be kept, where that is allowed.
func (c *Conn) long() error {
	tooLong := closing.MessageTooLong.Ending(c.opts.Limits.MessageBytes)
	if c.opts.Traits.Signaling {
		return tooLong
	}
	d := c.commit()
	if d == nil {
		return tooLong
	}
	passes, err := c.passes(c.in, true)
	switch {
	case err != nil:
		return clientError(err)
	case passes:
		err = c.toDesktop(d).PassMessage()
	default:
		c.opts.Host.Withheld(true)
		err = c.toDesktop(d).DropMessage()
	}
	if err != nil {
		return c.passed(d, err)
	}
	return nil
}

func (c *Conn) control(f frame.Frame) error {
	switch f.Op {
	case ws.OpClose:
		return &left{said: f.Data}
	case ws.OpPing:
		return c.toClient(ws.OpPong, f.Data)
	}
	// A pong: what the desktop's ping, passed on, is answered with.
	c.mu.Lock()
	d := c.desktop
	if c.phase != live {
		d = nil
	}
	c.mu.Unlock()
	if d != nil && string(f.Data) != ours {
		_ = d.out.Send(f.Op, f.Data) // a desktop that is gone says so itself
	}
	return nil
}

func (c *Conn) toClient(op ws.OpCode, data []byte) error {
	if err := c.out.Send(op, data); err != nil {
		return clientError(err)
	}
	return nil
}

// follow says what follows from a message of either side.
func (c *Conn) follow(said func(signaling.Message) (signaling.Step, error), f frame.Frame) (signaling.Step, error) {
	step, err := func() (signaling.Step, error) {
		c.talk.Lock()
		defer c.talk.Unlock()
		return said(signaling.Message{Text: f.Op == ws.OpText, Data: f.Data})
	}()
	if err != nil {
		return step, closing.Of(err)
	}
	if step.Input {
		c.opts.Host.Input()
	}
	return step, nil
}

// message does what the protocol says follows from a message.
func (c *Conn) message(f frame.Frame) error {
	if f.Op == ws.OpText && !utf8.Valid(f.Data) {
		return closing.Encoding.Ending()
	}
	c.spoken.Store(true)
	step, err := c.follow(c.opts.Conversation.FromClient, f)
	if err != nil {
		return err
	}
	if step.Withheld {
		c.opts.Host.Withheld(true)
	}
	for _, m := range step.ToClient {
		if err := c.toClient(opcode(m), m.Data); err != nil {
			return err
		}
	}
	for _, m := range step.ToDesktop {
		d, err := c.keep(m)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		c.opts.Host.ToDesktop(len(m.Data))
		if d.out.Send(opcode(m), m.Data) != nil {
			// It is read a moment longer, for what it may have said before it went.
			d.cutOff(closeWithin)
		}
	}
	return nil
}
