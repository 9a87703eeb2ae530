package standin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// againAfter is the pause after a desktop that broke off, or was not ready to answer; it
	// doubles up to againMost.
	againAfter = 20 * time.Millisecond
	againMost  = time.Second
	// farewellWithin bounds the word with which a place is given back.
	farewellWithin = time.Second
)

// state is how far a peer is.
type state int

const (
	// asking: the desktop is not there, or has not answered.
	asking state = iota
	// standing: it is registered, and a client may take its place.
	standing
	// taken, refused and over are ends: by a client, by a desktop that has a viewer, by time.
	taken
	refused
	over
)

var (
	errTooMuch = errors.New("the desktop said more than is kept")
	errRefused = errors.New("the desktop has a viewer")
	errClosed  = errors.New("the desktop closed the connection")
)

// peer is one of the stand-in's two sockets.
type peer struct {
	keeper *Keeper
	viewer *viewer
	uid    string
	ctx    context.Context
	// stopped is closed when nothing is read here any more.
	stopped chan struct{}

	mu    sync.Mutex
	state state
	conn  net.Conn
	// kept are the desktop's frames, whole, and coming is what was read of the next one. Once it is
	// taken they are the taker's.
	kept, coming []byte
}

func newPeer(ctx context.Context, k *Keeper, v *viewer, uid string) *peer {
	return &peer{keeper: k, viewer: v, uid: uid, ctx: ctx, stopped: make(chan struct{})}
}

func (p *peer) is() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// become changes the state, unless a client has taken the place; false then.
func (p *peer) become(s state) bool {
	p.mu.Lock()
	changed := p.state != taken
	if changed {
		p.state = s
	}
	p.mu.Unlock()
	p.keeper.changed(p.viewer)
	return changed
}

// run registers at the desktop, again where that breaks off, until the place is taken, refused or
// given back.
func (p *peer) run() {
	defer close(p.stopped)
	pause := againAfter
	for attempt := 0; ; attempt++ {
		conn, err := p.keeper.dial(p.ctx, attempt)
		if err == nil {
			err = p.stand(conn)
		}
		switch {
		case p.is() == taken:
			return
		case errors.Is(err, errRefused):
			p.become(refused)
			return
		case errors.Is(err, errTooMuch):
			p.viewer.stop() // a client closes both of its sockets, too
			fallthrough
		case p.ctx.Err() != nil:
			p.become(over)
			return
		}
		p.become(asking)
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
		}
		pause = min(2*pause, againMost)
	}
}

// stand registers and keeps what the desktop says. It leaves the connection open if a client has
// taken it.
func (p *peer) stand(conn net.Conn) (err error) {
	p.mu.Lock()
	p.conn, p.kept, p.coming = conn, nil, nil
	p.mu.Unlock()
	defer context.AfterFunc(p.ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.state != taken {
			_ = conn.SetReadDeadline(past)
		}
	})()
	defer func() {
		if p.is() == taken || p.is() == standing && !p.become(over) {
			return
		}
		farewell(conn, err)
		_ = conn.Close()
	}()
	m := p.viewer.meta()
	if p.coming, err = upgrade(conn, hello{p.uid, &m}); err != nil {
		return err
	}
	for {
		if err := p.sort(); err != nil {
			return err
		}
		chunk := make([]byte, 4<<10)
		n, err := conn.Read(chunk)
		p.coming = append(p.coming, chunk[:n]...)
		if err != nil {
			return err
		}
	}
}

// past is a deadline that was missed.
var past = time.Unix(1, 0)

// sort keeps the frames that are there whole, and answers those that want it.
func (p *peer) sort() error {
	for p.is() != taken {
		from := bytes.NewReader(p.coming)
		h, err := ws.ReadHeader(from)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		case h.Length > int64(p.viewer.Bytes-len(p.kept)):
			return errTooMuch
		}
		at := len(p.coming) - from.Len()
		end := at + int(h.Length)
		if end > len(p.coming) {
			return nil
		}
		frame, payload := p.coming[:end], p.coming[at:end]
		switch h.OpCode {
		case ws.OpClose:
			if code, reason := ws.ParseCloseFrameData(payload); code == takenCode && reason == takenReason {
				return errRefused
			}
			return errClosed
		case ws.OpPing:
			_ = p.conn.SetWriteDeadline(time.Now().Add(farewellWithin))
			if err := ws.WriteFrame(p.conn, ws.MaskFrame(ws.NewPongFrame(bytes.Clone(payload)))); err != nil {
				return err
			}
			_ = p.conn.SetWriteDeadline(time.Time{})
		case ws.OpPong:
		default:
			p.kept = append(p.kept, frame...)
			if p.is() == asking && string(payload) == helloWord {
				p.coming = p.coming[end:]
				p.become(standing)
				continue
			}
		}
		p.coming = p.coming[end:]
	}
	return nil
}

// take makes the place a client's; false where there is none. What it gets is the connection, and
// what it has to hear before.
func (p *peer) take() bool {
	p.mu.Lock()
	if p.state != standing {
		p.mu.Unlock()
		return false
	}
	p.state = taken
	_ = p.conn.SetReadDeadline(past)
	p.mu.Unlock()
	<-p.stopped
	_ = p.conn.SetReadDeadline(time.Time{})
	p.keeper.changed(p.viewer)
	return true
}

// farewell says goodbye to a desktop that has not done so itself.
func farewell(conn net.Conn, why error) {
	if errors.Is(why, errRefused) || errors.Is(why, errClosed) {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(farewellWithin))
	_ = ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, ""))))
}
