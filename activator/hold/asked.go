package hold

import (
	"context"
	"net"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/relay"
)

// Asked is a desktop that has upgraded before its client is answered.
type Asked struct{ desktop *desktop }

// Ask asks the desktop at the other end of conn for its end of the WebSocket, until ctx ends,
// and returns the subprotocol that it chose. Its errors are those of relay.Request.Check; any
// other end is ErrStarting. What is returned has to be closed, or served by ServeAsked.
func Ask(ctx context.Context, conn net.Conn, q *relay.Request) (asked *Asked, subprotocol string, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	asked = &Asked{newDesktop(conn)}
	subprotocol, err = asked.desktop.ask(q, q.Head)
	if !stop() && err == nil {
		err = relay.ErrStarting
	}
	if err != nil {
		asked.Close()
		return nil, "", err
	}
	return asked, subprotocol, nil
}

// Close gives the desktop up.
func (a *Asked) Close() { a.desktop.close() }

// ServeAsked is Serve for a client whose desktop is there already.
func (c *Conn) ServeAsked(a *Asked) error {
	c.beat()
	// Nobody has watched the session between the desktop's answer and now.
	if reason := c.opts.Host.Gone(); reason != nil {
		c.End(closing.Of(reason))
	}
	go c.take(a.desktop)
	c.End(c.reading())
	return c.part()
}
