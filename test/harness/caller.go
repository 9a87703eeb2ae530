package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// callAgain is the pause before a client connects again, a third of Selkies'.
	callAgain = time.Second
	// talkEvery is how often a client says something once it has arrived.
	talkEvery = 250 * time.Millisecond
)

// Caller keeps one WebSocket open to a desktop that echoes: as a desktop's client does,
// it connects again whenever the connection ends. On each connection it sends a
// greeting at once, perhaps long before there is a desktop, and once that has come
// back it goes on talking.
type Caller struct {
	visitor *Visitor
	path    string
	name    string
	ended   chan struct{}

	mu    sync.Mutex
	state Call
}

// Call is how a caller fares.
type Call struct {
	// Open says that it is connected, Arrived that the desktop has answered on this
	// connection.
	Open, Arrived bool
	// Opened counts connections, Heard what the desktop has said again on all of them.
	Opened, Heard int
	// Closes are the codes with which connections ended; 1006 is without any.
	Closes []int
	// Wrong is the first thing that was lost, doubled or out of order.
	Wrong error
	// Refused is the latest reason for which a connection could not be opened.
	Refused error
}

// Call starts a caller, which ends with ctx.
func (v *Visitor) Call(ctx context.Context, path, name string) *Caller {
	c := &Caller{visitor: v, path: path, name: name, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		for ctx.Err() == nil {
			c.once(ctx)
			select {
			case <-time.After(callAgain):
			case <-ctx.Done():
			}
		}
	}()
	return c
}

// State is how it fares now.
func (c *Caller) State() Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.Closes = append([]int(nil), s.Closes...)
	return s
}

// Wait returns when the caller has ended.
func (c *Caller) Wait() { <-c.ended }

func (c *Caller) update(how func(*Call)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	how(&c.state)
}

// once keeps one connection until it ends.
func (c *Caller) once(ctx context.Context) {
	ws, _, err := c.visitor.WebSocket(ctx, c.path)
	if err != nil {
		c.update(func(s *Call) { s.Refused = err })
		return
	}
	defer func() { _ = ws.Close() }()
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	var number int
	c.update(func(s *Call) { s.Open, s.Arrived, s.Opened, number = true, false, s.Opened+1, s.Opened+1 })
	err = c.talk(ws, fmt.Sprintf("%s on connection %d", c.name, number))
	c.update(func(s *Call) {
		s.Open, s.Arrived = false, false
		if ctx.Err() != nil {
			return
		}
		code := websocket.CloseAbnormalClosure
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			code = closed.Code
		}
		s.Closes = append(s.Closes, code)
	})
}

// talk says one thing after another, each when the last has come back, and returns
// how the connection ended.
func (c *Caller) talk(ws *websocket.Conn, greeting string) error {
	said := greeting
	for turn := 1; ; turn++ {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(said)); err != nil {
			// The reason for which it ended is there to be read.
			_, _, readErr := ws.ReadMessage()
			return errors.Join(readErr, err)
		}
		_, heard, err := ws.ReadMessage()
		if err != nil {
			return err
		}
		c.update(func(s *Call) {
			s.Arrived = true
			s.Heard++
			if string(heard) != said && s.Wrong == nil {
				s.Wrong = fmt.Errorf("said %q and heard %q", said, heard)
			}
		})
		time.Sleep(talkEvery)
		said = fmt.Sprintf("%s, turn %d", greeting, turn)
	}
}
