package signaling

import (
	"context"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// mostEarly bounds what a browser says before the app's end exists.
const mostEarly = 64

// peer is one registered browser socket.
type peer struct {
	server *Server
	conn   *websocket.Conn
	hello  Hello
	send   chan Message
	drop   context.CancelFunc // ends the peer

	mu      sync.Mutex // guards session and early
	session Session
	early   []Message
}

// run answers HELLO, opens the app's end and reads until either side leaves; then both
// are closed, as Selkies does.
func (p *peer) run(ctx context.Context) {
	log := p.server.Log.With("peer", p.hello.UID)
	if err := p.text("HELLO"); err != nil {
		return
	}
	var opening sync.WaitGroup
	defer func() {
		p.drop()
		opening.Wait()
		if p.session != nil {
			p.session.Close()
		}
	}()
	if p.hello.UID == BrowserVideo || p.hello.UID == BrowserAudio {
		opening.Go(func() {
			p.server.Loop.Session(ctx, p.hello.UID)
			session, err := p.server.Open(ctx, p.hello, p.queue)
			p.server.Loop.Offered(p.hello.UID)
			if err != nil {
				if ctx.Err() == nil {
					log.Error("cannot offer a stream", "error", err.Error())
				}
				p.close()
				return
			}
			p.attach(session)
			select {
			case <-session.Done():
				p.close()
			case <-ctx.Done():
			}
		})
	}
	for {
		kind, raw, err := p.conn.ReadMessage()
		if err != nil {
			return
		}
		p.server.Loop.Turn(ctx)
		if kind != websocket.TextMessage {
			continue
		}
		m, err := ParseMessage(raw)
		if err != nil {
			log.Warn("ignored a message", "error", err.Error())
			continue
		}
		p.deliver(m)
	}
}

// attach hands over what came before the app's end existed.
func (p *peer) attach(session Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = session
	for _, m := range p.early {
		p.handle(m)
	}
	p.early = nil
}

func (p *peer) deliver(m Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.session != nil:
		p.handle(m)
	case len(p.early) < mostEarly:
		p.early = append(p.early, m)
	}
}

func (p *peer) handle(m Message) {
	if err := p.session.Handle(m); err != nil {
		p.server.Log.Warn("cannot use a message", "peer", p.hello.UID, "error", err.Error())
	}
}

// queue is the send function given to the app's end.
func (p *peer) queue(m Message) error {
	select {
	case p.send <- m:
		return nil
	default:
		p.drop()
		return errPeerGone
	}
}

// write is the only writer of data messages once HELLO is answered.
func (p *peer) write(ctx context.Context) {
	defer p.drop() // which closes the socket, and so ends the reader
	for {
		select {
		case m := <-p.send:
			p.server.Loop.Turn(ctx)
			_ = p.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err := p.conn.WriteJSON(m); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (p *peer) text(message string) error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.conn.WriteMessage(websocket.TextMessage, []byte(message))
}

// close ends the socket from the app's side.
func (p *peer) close() {
	CloseWith(p.conn, websocket.CloseNormalClosure, "")
	p.drop()
}
