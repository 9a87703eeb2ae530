package hold

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// pingEvery keeps proxies on the way from closing a silent connection, and
	// finds peers that are gone; pongWithin is three missed pings.
	pingEvery  = 20 * time.Second
	pongWithin = 3 * pingEvery
	// writeWithin is how long a peer may take to read what is written at once.
	writeWithin = 15 * time.Second
	// closeWithin is how long a close frame, and the answer to it, may take.
	closeWithin = 2 * time.Second
	// copySize is the memory that a message in passing borrows.
	copySize = 32 << 10
)

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copySize); return &b }}

// peer is the WebSocket of one side. It is pinged, and reading from it fails when
// nothing is heard for too long. One goroutine at a time may read, one write.
type peer struct {
	ws    *websocket.Conn
	pings *time.Timer

	// mu keeps a deadline that cut has set from being moved by what is heard after.
	mu  sync.Mutex
	cut bool
}

// attend begins to ping; it ends with stop, at the latest after ctx.
func attend(ctx context.Context, ws *websocket.Conn) *peer {
	p := &peer{ws: ws}
	ws.SetPongHandler(func(string) error {
		p.heard()
		return nil
	})
	p.heard()
	// Reset, because the function must not run before its timer has a name.
	p.pings = time.AfterFunc(time.Hour, func() {
		if ctx.Err() != nil {
			return
		}
		// A ping that fails is no news: a peer that is gone answers none, and one that
		// is busy with a long message is asked again.
		_ = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin))
		p.pings.Reset(pingEvery)
	})
	p.pings.Reset(pingEvery)
	return p
}

func (p *peer) stop() { p.pings.Stop() }

// heard gives the peer another while to be silent.
func (p *peer) heard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		_ = p.ws.SetReadDeadline(time.Now().Add(pongWithin))
	}
}

// cutOff lets reading fail after a while, whatever is heard.
func (p *peer) cutOff(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	_ = p.ws.SetReadDeadline(time.Now().Add(after))
}

// next waits for the next message.
func (p *peer) next() (kind int, r io.Reader, err error) {
	kind, r, err = p.ws.NextReader()
	if err == nil {
		p.heard()
	}
	return kind, source{r, p}, err
}

// drain reads until the connection ends and forgets it all: a connection closed
// with something unread is reset, and the close frame may be lost with it.
func (p *peer) drain() {
	for {
		if _, _, err := p.ws.NextReader(); err != nil {
			return
		}
	}
}

func (p *peer) write(m message) error {
	if err := p.ws.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return p.ws.WriteMessage(m.kind, m.data)
}

// deliver writes a message; a peer that does not take it is read a moment longer,
// for what it may have said before it went.
func (p *peer) deliver(m message) bool {
	if p.write(m) != nil {
		p.cutOff(closeWithin)
		return false
	}
	return true
}

// pass streams one message, so that its length costs no memory and its duration
// has no bound. A failure of the receiving side is a sinkError.
func (p *peer) pass(kind int, r io.Reader) error {
	w, err := p.ws.NextWriter(kind)
	if err != nil {
		return sinkError{err}
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	if _, err := io.CopyBuffer(sink{w, p}, r, *buf); err != nil {
		return err
	}
	if err := p.ws.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return sinkError{err}
	}
	if err := w.Close(); err != nil {
		return sinkError{err}
	}
	return nil
}

// source is a message on its way in: each part of it is a sign of life.
type source struct {
	io.Reader
	peer *peer
}

func (s source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if n > 0 {
		s.peer.heard()
	}
	return n, err
}

// sink is a message on its way out: each part of it has its own time.
type sink struct {
	io.Writer
	peer *peer
}

func (s sink) Write(b []byte) (int, error) {
	if err := s.peer.ws.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, sinkError{err}
	}
	n, err := s.Writer.Write(b)
	if err != nil {
		err = sinkError{err}
	}
	return n, err
}

// sinkError tells a failed receiver from a failed sender.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }
