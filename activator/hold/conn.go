// Package hold keeps a visitor's WebSocket while the desktop starts: it reads what
// the client sends, keeps it within bounds, and plays it to the desktop in order
// and exactly once when there is one. From then on it passes messages both ways.
//
// It does not wake desktops nor find them: it is given a connection to one.
package hold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Limits bound what one client can make us keep; see config.Limits.
type Limits struct {
	BufferedBytes, BufferedFrames, MessageBytes int
}

// Conn is a visitor's WebSocket.
type Conn struct {
	client *peer
	proto  signaling.Protocol
	limits Limits
	end    context.CancelCauseFunc
	// done is closed when the reader has ended: nothing is written to the desktop
	// after that.
	done chan struct{}

	mu      sync.Mutex
	backlog []message
	bytes   int
	desktop *peer
}

type message struct {
	kind int
	data []byte
}

// Keep starts to read from a client's accepted WebSocket. The returned context
// ends, with an *Ending or errClientLeft as its cause, when the client must not or
// cannot be served any longer. Close must be called.
func Keep(ctx context.Context, ws *websocket.Conn, proto signaling.Protocol, limits Limits) (*Conn, context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	c := &Conn{client: attend(ctx, ws), proto: proto, limits: limits, end: end, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer c.client.stop()
		if err := c.read(); err != nil {
			end(err)
		}
		c.client.drain()
	}()
	return c, ctx
}

// read takes the client's messages until the connection ends or must end, and says
// why. It returns nil when the desktop takes no more: Relay knows why.
func (c *Conn) read() error {
	for first := true; ; first = false {
		kind, r, err := c.client.next()
		if err != nil {
			return clientError(err)
		}
		if desktop := c.live(); desktop != nil && !c.proto.Signaling() {
			// The desktop reads for itself now; only what we keep is bounded.
			var failed sinkError
			switch err := desktop.pass(kind, r); {
			case errors.As(err, &failed):
				desktop.cutOff(closeWithin)
				return nil
			case err != nil:
				return clientError(err)
			}
			continue
		}
		m, err := c.message(kind, r)
		if err != nil {
			return err
		}
		if first {
			if err := c.proto.CheckFirst(kind == websocket.TextMessage, m.data); err != nil {
				return &Ending{Code: websocket.CloseProtocolError, Reason: err.Error(), Refusal: metrics.RefusedProtocol}
			}
		}
		desktop, err := c.keep(m)
		if err != nil {
			return err
		}
		if desktop != nil && !desktop.deliver(m) {
			return nil
		}
	}
}

// message reads a message that must be kept, or one of a protocol whose messages
// are short.
func (c *Conn) message(kind int, r io.Reader) (message, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(c.limits.MessageBytes)+1))
	if err != nil {
		return message{}, clientError(err)
	}
	if len(data) > c.limits.MessageBytes {
		return message{}, &Ending{Code: websocket.CloseMessageTooBig, Refusal: metrics.RefusedMessageTooLong,
			Reason: fmt.Sprintf("a message is longer than %d bytes", c.limits.MessageBytes)}
	}
	return message{kind, data}, nil
}

func (c *Conn) live() *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.desktop
}

// keep adds a message to the backlog. When the desktop came meanwhile it returns
// that instead: everything before this message has been played to it.
func (c *Conn) keep(m message) (*peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.desktop != nil {
		return c.desktop, nil
	}
	if len(c.backlog) >= c.limits.BufferedFrames {
		return nil, &Ending{Code: websocket.ClosePolicyViolation, Refusal: metrics.RefusedBufferedFrames,
			Reason: fmt.Sprintf("more than %d messages were sent before the desktop was there", c.limits.BufferedFrames)}
	}
	if c.bytes+len(m.data) > c.limits.BufferedBytes {
		return nil, &Ending{Code: websocket.CloseMessageTooBig, Refusal: metrics.RefusedBufferedBytes,
			Reason: fmt.Sprintf("more than %d bytes were sent before the desktop was there", c.limits.BufferedBytes)}
	}
	c.backlog = append(c.backlog, m)
	c.bytes += len(m.data)
	return nil, nil
}

// Close ends the client's connection with the frame that the ending asks for, and
// returns when its reader has ended. A client that is still there is given a moment
// to read the frame and answer it.
func (c *Conn) Close(end error) {
	c.end(end)
	var e *Ending
	if errors.As(end, &e) && c.client.ws.WriteControl(websocket.CloseMessage, e.frame(), time.Now().Add(closeWithin)) == nil {
		c.client.cutOff(closeWithin)
		<-c.done
	}
	_ = c.client.ws.Close()
	<-c.done
}
