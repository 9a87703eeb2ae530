package hold

import (
	"context"
	"errors"

	"github.com/gorilla/websocket"
)

// Relay plays what was held to the desktop and then passes messages both ways
// until either side ends; it returns how. onFirst is called when the desktop's
// first message has been passed on. The desktop's connection stays open: the
// caller closes it, before it closes the client's.
func (c *Conn) Relay(ctx context.Context, ws *websocket.Conn, onFirst func()) error {
	desktop := attend(ctx, ws)
	defer desktop.stop()
	unblock := context.AfterFunc(ctx, func() { desktop.cutOff(0) })
	defer unblock()
	if c.replay(desktop) != nil {
		// What the desktop said before it went is worth reading.
		desktop.cutOff(closeWithin)
	}
	for {
		kind, r, err := desktop.next()
		if err == nil {
			err = c.client.pass(kind, r)
		}
		if err != nil {
			return c.ended(ctx, err)
		}
		if onFirst != nil {
			onFirst()
			onFirst = nil
		}
	}
}

// replay hands the backlog over. The reader waits for the lock meanwhile, so what
// comes later goes out later.
func (c *Conn) replay(desktop *peer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.backlog {
		if err := desktop.write(m); err != nil {
			return err
		}
	}
	c.backlog, c.bytes = nil, 0
	c.desktop = desktop
	return nil
}

// ended says how a relay ended that broke with err.
func (c *Conn) ended(ctx context.Context, err error) error {
	var toClient sinkError
	if errors.As(err, &toClient) {
		// The reader may be about to find the client's close frame, which says more.
		c.client.cutOff(closeWithin)
		select {
		case <-ctx.Done():
		case <-c.done:
		}
		err = clientError(err)
	} else {
		err = desktopEnding(err)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
