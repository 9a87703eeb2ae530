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

const (
	// pingEvery keeps proxies on the way from closing a silent connection, and
	// finds peers that are gone; pongWithin is three missed pings.
	pingEvery  = 20 * time.Second
	pongWithin = 3 * pingEvery
	// writeWithin is how long a peer may take to read one message.
	writeWithin = 15 * time.Second
	// closeWithin is how long a close frame may take.
	closeWithin = 2 * time.Second
)

// Limits bound what one client can make us keep; see config.Limits.
type Limits struct {
	BufferedBytes, BufferedFrames, MessageBytes int
}

// Conn is a visitor's WebSocket.
type Conn struct {
	ws     *websocket.Conn
	proto  signaling.Protocol
	limits Limits
	end    context.CancelCauseFunc
	// done is closed when the reader has ended: nothing is written to the desktop
	// after that.
	done chan struct{}

	mu      sync.Mutex
	backlog []message
	bytes   int
	desktop *websocket.Conn
}

type message struct {
	kind int
	data []byte
}

// Keep starts to read from a client's accepted WebSocket. The returned context
// ends, with an *Ending or errClientLeft as its cause, when the client must not or
// cannot be served any longer.
func Keep(ctx context.Context, ws *websocket.Conn, proto signaling.Protocol, limits Limits) (*Conn, context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	c := &Conn{ws: ws, proto: proto, limits: limits, end: end, done: make(chan struct{})}
	stop := keepAlive(ctx, ws)
	go func() {
		defer close(c.done)
		defer stop()
		end(c.read())
	}()
	return c, ctx
}

// keepAlive pings a peer until ctx ends and lets its reads fail when it is silent
// for too long.
func keepAlive(ctx context.Context, ws *websocket.Conn) (stop func() bool) {
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(pongWithin)) }
	ws.SetPongHandler(alive)
	_ = alive("")
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		if ctx.Err() == nil && ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(closeWithin)) == nil {
			timer.Reset(pingEvery)
		}
	})
	timer.Reset(pingEvery)
	return timer.Stop
}

// read takes the client's messages until the connection ends, and says why.
func (c *Conn) read() error {
	c.ws.SetReadLimit(int64(c.limits.MessageBytes))
	first := true
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return c.readError(err)
		}
		_ = c.ws.SetReadDeadline(time.Now().Add(pongWithin))
		if desktop := c.live(); desktop != nil && !first {
			if !c.proto.Signaling() {
				// The desktop reads for itself now; only what we keep is bounded.
				c.ws.SetReadLimit(0)
			}
			if err := pass(desktop, kind, r); err != nil {
				return c.readError(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return c.readError(err)
		}
		if first {
			if err := c.proto.CheckFirst(kind == websocket.TextMessage, data); err != nil {
				return &Ending{Code: websocket.CloseProtocolError, Reason: err.Error(), Refusal: metrics.RefusedProtocol}
			}
			first = false
		}
		if err := c.take(message{kind, data}); err != nil {
			return err
		}
	}
}

func (c *Conn) live() *websocket.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.desktop
}

// take keeps a message, or passes it on when the desktop came meanwhile.
func (c *Conn) take(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.desktop != nil {
		if err := write(c.desktop, m); err != nil {
			return desktopEnding(err)
		}
		return nil
	}
	if len(c.backlog) >= c.limits.BufferedFrames {
		return &Ending{Code: websocket.ClosePolicyViolation, Refusal: metrics.RefusedBufferedFrames,
			Reason: fmt.Sprintf("more than %d messages were sent before the desktop was there", c.limits.BufferedFrames)}
	}
	if c.bytes+len(m.data) > c.limits.BufferedBytes {
		return &Ending{Code: websocket.CloseMessageTooBig, Refusal: metrics.RefusedBufferedBytes,
			Reason: fmt.Sprintf("more than %d bytes were sent before the desktop was there", c.limits.BufferedBytes)}
	}
	c.backlog = append(c.backlog, m)
	c.bytes += len(m.data)
	return nil
}

// Relay plays what was held to the desktop and then passes messages both ways
// until either side ends; it returns how. onFirst is called when the desktop's
// first message has been passed on.
func (c *Conn) Relay(ctx context.Context, desktop *websocket.Conn, onFirst func()) error {
	stop := keepAlive(ctx, desktop)
	defer stop()
	unblock := context.AfterFunc(ctx, func() { _ = desktop.SetReadDeadline(time.Now()) })
	defer unblock()
	if err := c.replay(desktop); err != nil {
		return fmt.Errorf("replaying to the desktop: %w", err)
	}
	for {
		kind, r, err := desktop.NextReader()
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return desktopEnding(err)
		}
		_ = desktop.SetReadDeadline(time.Now().Add(pongWithin))
		if err := pass(c.ws, kind, r); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			if isSink(err) {
				return fmt.Errorf("%w: %w", errClientLeft, err)
			}
			return desktopEnding(err)
		}
		if onFirst != nil {
			onFirst()
			onFirst = nil
		}
	}
}

// replay hands the backlog over. The reader waits for the lock meanwhile, so what
// comes later goes out later.
func (c *Conn) replay(desktop *websocket.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.backlog {
		if err := write(desktop, m); err != nil {
			return err
		}
	}
	c.backlog, c.bytes = nil, 0
	c.desktop = desktop
	return nil
}

// Close ends the client's connection with the frame that the ending asks for, and
// returns when its reader has ended.
func (c *Conn) Close(end error) {
	var e *Ending
	if errors.As(end, &e) {
		_ = c.ws.WriteControl(websocket.CloseMessage, e.frame(), time.Now().Add(closeWithin))
	}
	c.end(end)
	_ = c.ws.Close()
	<-c.done
}

func (c *Conn) readError(err error) error {
	if isSink(err) {
		return desktopEnding(err)
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		return &Ending{Code: websocket.CloseMessageTooBig, Refusal: metrics.RefusedMessageTooLong,
			Reason: fmt.Sprintf("a message is longer than %d bytes", c.limits.MessageBytes)}
	}
	return fmt.Errorf("%w: %w", errClientLeft, err)
}

// desktopEnding passes the desktop's own close frame on, or says that it broke off.
func desktopEnding(err error) *Ending {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
		return &Ending{Code: closed.Code, Reason: closed.Text}
	}
	if errors.As(err, &closed) && closed.Code == websocket.CloseNoStatusReceived {
		return &Ending{Code: websocket.CloseNormalClosure}
	}
	return &Ending{Code: websocket.CloseServiceRestart, Reason: "the connection to the desktop ended"}
}

// ClientClose is the close frame that the desktop gets when the client ends.
func ClientClose(end error) []byte {
	var closed *websocket.CloseError
	if errors.As(end, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
		return websocket.FormatCloseMessage(closed.Code, closed.Text)
	}
	return websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
}

func write(to *websocket.Conn, m message) error {
	if err := to.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return to.WriteMessage(m.kind, m.data)
}

// pass streams one message, so that its length costs no memory. A failure of the
// receiving side is a sinkError.
func pass(to *websocket.Conn, kind int, r io.Reader) error {
	if err := to.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return sinkError{err}
	}
	w, err := to.NextWriter(kind)
	if err != nil {
		return sinkError{err}
	}
	if _, err := io.Copy(sink{w}, r); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return sinkError{err}
	}
	return nil
}

// sinkError tells a failed receiver from a failed sender.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

func isSink(err error) bool {
	var s sinkError
	return errors.As(err, &s)
}

type sink struct{ io.Writer }

func (s sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = sinkError{err}
	}
	return n, err
}
