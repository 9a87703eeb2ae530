package hold

import (
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/signaling"
)

// keep notes a message for the desktop. Once there is a live one it is returned, and
// the message is the caller's to send: everything before it was.
func (c *Conn) keep(m signaling.Message) (*desktop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.phase == playing && c.end == nil {
		c.changed.Wait()
	}
	if c.end != nil || c.settled {
		return c.desktop, nil
	}
	switch err := c.add(m); {
	case err != nil && c.phase == live:
		// More than may be kept for another desktop: it is this one or none.
		c.settle()
		return c.desktop, nil
	case err != nil:
		return nil, err
	}
	if c.phase != live {
		return nil, nil
	}
	c.played = len(c.backlog)
	return c.desktop, nil
}

// messageBytes is what a message takes besides its data.
const messageBytes = 64

// add keeps a message, or says which bound it would exceed; the caller holds the lock.
func (c *Conn) add(m signaling.Message) error {
	l := c.opts.Limits
	if len(c.backlog) >= l.BufferedFrames {
		return closing.BufferedFrames.Ending(l.BufferedFrames)
	}
	if c.bytes+len(m.Data) > l.BufferedBytes {
		return closing.BufferedBytes.Ending(l.BufferedBytes)
	}
	if budget := c.opts.HeldBytes; budget != nil {
		if err := budget.Take(len(m.Data) + messageBytes); err != nil {
			return err
		}
	}
	c.backlog = append(c.backlog, m)
	c.bytes += len(m.Data)
	return nil
}

// coming is a message that is being read: what is announced of it is counted before it comes.
type coming struct {
	budget Budget
	bytes  int
}

func (m *coming) announced(bytes int) error {
	if m.budget == nil {
		return nil
	}
	if err := m.budget.Take(bytes); err != nil {
		return err
	}
	m.bytes += bytes
	return nil
}

// came says that it is there whole.
func (m *coming) came() {
	if m.bytes > 0 {
		m.budget.Return(m.bytes)
		m.bytes = 0
	}
}

// settle gives up what was kept for another desktop, the request too; the caller holds the
// lock.
func (c *Conn) settle() {
	c.settled, c.backlog, c.bytes, c.opts.Request = true, nil, 0, nil
	if c.opts.HeldBytes != nil {
		c.opts.HeldBytes.ReturnAll()
	}
}

// commit waits until the backlog is played, and settles on that desktop; nil when
// there is none.
func (c *Conn) commit() *desktop {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.phase == playing && c.end == nil {
		c.changed.Wait()
	}
	if c.phase != live || c.end != nil {
		return nil
	}
	c.settle()
	return c.desktop
}

// frames adds messages to b as the desktop gets them.
func frames(b []byte, messages []signaling.Message) []byte {
	for _, m := range messages {
		b = frame.Append(b, opcode(m), true, m.Data, true)
	}
	return b
}

// play sends a desktop that has upgraded what it did not receive yet. The client's next
// messages wait for the end, so they come later.
func (c *Conn) play(d *desktop) error {
	c.mu.Lock()
	c.phase = playing
	b := frames(nil, c.backlog[c.played:])
	c.mu.Unlock()
	var err error
	if len(b) > 0 {
		err = d.out.Raw(b)
	}
	if err == nil {
		c.opts.Host.Live()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.played, c.phase = len(c.backlog), live
	c.changed.Broadcast()
	return err
}
