package selkies2

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

// mostEarly bounds what a client says between its call and the app's end.
const mostEarly = 64

// client is one registered browser socket.
type client struct {
	server *Server
	conn   *websocket.Conn
	hello  Hello
	name   string
	send   chan string
	drop   context.CancelFunc // ends the client

	mu      sync.Mutex // guards all below
	app     string     // the app's name since the call was taken
	session signaling.Session
	early   []signaling.Message
}

// called reports whether the client is in a session.
func (c *client) called() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app != ""
}

// run answers HELLO and takes what the client says until it leaves.
func (c *client) run(ctx context.Context) {
	var opening sync.WaitGroup
	defer func() {
		c.drop()
		opening.Wait()
		if c.session != nil {
			c.session.Close()
		}
	}()
	stay := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(2 * pingEvery)) }
	c.conn.SetPongHandler(stay)
	_ = c.queue("HELLO")
	for {
		_ = stay("")
		kind, raw, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		text := string(raw)
		switch {
		case kind != websocket.TextMessage:
		case c.called():
			c.relayed(text)
		case strings.HasPrefix(text, "SESSION "):
			c.call(ctx, &opening, strings.TrimPrefix(text, "SESSION "))
		default:
			c.server.log.Warn("ignored a message", "client", c.name, "text", text[:min(len(text), 40)])
		}
	}
}

// call answers SESSION; "server" is the name for whichever app is registered.
func (c *client) call(ctx context.Context, opening *sync.WaitGroup, callee string) {
	app := c.server.appName()
	if app == "" || callee != "server" && callee != app {
		_ = c.queue("ERROR peer server not found")
		return
	}
	_ = c.queue("SESSION_OK " + app)
	c.mu.Lock()
	c.app = app
	c.mu.Unlock()
	opening.Go(func() {
		session, err := c.server.open(ctx, c.hello, func(m signaling.Message) error {
			raw, err := json.Marshal(m)
			if err != nil {
				return err
			}
			return c.queue(app + " " + string(raw))
		})
		if err != nil {
			if ctx.Err() == nil {
				c.server.log.Error("cannot offer a stream", "client", c.name, "error", err.Error())
			}
			c.close(websocket.CloseInternalServerErr, "")
			return
		}
		c.attach(session)
		select {
		case <-session.Done():
			c.close(websocket.CloseNormalClosure, "")
		case <-ctx.Done():
		}
	})
}

// relayed takes "<app's name> <JSON>".
func (c *client) relayed(text string) {
	to, payload, _ := strings.Cut(text, " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	if to != c.app {
		c.server.log.Warn("ignored a message to somebody else", "client", c.name, "to", to[:min(len(to), 60)])
		return
	}
	m, err := signaling.ParseMessage([]byte(payload))
	switch {
	case err != nil:
		c.server.log.Warn("ignored a message", "client", c.name, "error", err.Error())
	case c.session != nil:
		c.handle(m)
	case len(c.early) < mostEarly:
		c.early = append(c.early, m)
	}
}

func (c *client) attach(session signaling.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session
	for _, m := range c.early {
		c.handle(m)
	}
	c.early = nil
}

func (c *client) handle(m signaling.Message) {
	if err := c.session.Handle(m); err != nil {
		c.server.log.Warn("cannot use a message", "client", c.name, "error", err.Error())
	}
}

var errGone = errors.New("the client has gone or does not read")

func (c *client) queue(text string) error {
	select {
	case c.send <- text:
		return nil
	default:
		c.drop()
		return errGone
	}
}

// write is the only writer of data messages.
func (c *client) write(ctx context.Context) {
	defer c.drop() // which closes the socket, and so ends the reader
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case text := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if c.conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				return
			}
		case <-tick.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// close ends the socket from the server's side.
func (c *client) close(code int, reason string) {
	signaling.CloseWith(c.conn, code, reason)
	c.drop()
}
