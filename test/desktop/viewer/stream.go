package viewer

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/desktop/internal/wsstream"
)

// acknowledgeEvery is how often Selkies 2's client tells which picture it has.
const acknowledgeEvery = 50 * time.Millisecond

// stream is the one socket of the WebSockets mode.
type stream struct {
	viewer *Viewer
	conn   *websocket.Conn

	writing sync.Mutex // one writer at a time

	mu     sync.Mutex // guards all below
	last   uint16     // the newest picture's number
	any    bool       // a picture has come
	closed bool
}

func (v *Viewer) watchStream(socket *url.URL) (*stream, error) {
	conn, err := v.open(socket)
	if err != nil {
		return nil, err
	}
	s := &stream{viewer: v, conn: conn}
	v.event(EventOpen)
	v.work.Go(func() {
		if err := s.read(); err != nil {
			v.end(err)
		}
	})
	v.work.Go(s.acknowledge)
	return s, nil
}

// read takes what the desktop says until the socket closes.
func (s *stream) read() error {
	stop := context.AfterFunc(s.viewer.ctx, s.close)
	defer stop()
	s.conn.SetReadLimit(largestFrame)
	for {
		kind, raw, err := s.conn.ReadMessage()
		if err != nil {
			return closing(err)
		}
		if kind == websocket.BinaryMessage {
			if err := s.picture(raw); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(string(raw), "MODE ") {
			s.viewer.event(EventHello)
			for _, text := range []string{
				`SETTINGS,{"displayId":"primary"}`, "cr", "START_AUDIO", fmt.Sprintf("r,%dx%d,primary", s.viewer.options.Width, s.viewer.options.Height),
			} {
				if err := s.write(text); err != nil {
					return err
				}
			}
		}
	}
}

func (s *stream) picture(message []byte) error {
	f, audio, err := wsstream.Parse(message)
	if err != nil {
		return err
	}
	if audio {
		s.viewer.event(EventAudioPacket)
		s.viewer.count(func(c *Stats) { c.AudioPackets++ })
		return nil
	}
	parsed, err := parseFrame(f.VP8)
	if err != nil {
		return err
	}
	s.mu.Lock()
	gap := s.any && f.Number != s.last+1
	first := !s.any
	s.last, s.any = f.Number, true
	s.mu.Unlock()
	if parsed.key != f.Key || first && !f.Key {
		return fmt.Errorf("picture %d says that it is a key frame: %t; it is one: %t; the first must be one", f.Number, f.Key, parsed.key)
	}
	s.viewer.event(EventFirstFrame)
	s.viewer.count(func(c *Stats) {
		if gap {
			c.Broken++
		}
		c.Frames++
		c.Bytes += parsed.bytes
		if parsed.key {
			c.KeyFrames++
			c.Width, c.Height = parsed.width, parsed.height
		}
	})
	return nil
}

// acknowledge tells the newest picture until the viewer ends.
func (s *stream) acknowledge() {
	tick := time.NewTicker(acknowledgeEvery)
	defer tick.Stop()
	told := uint16(0)
	for {
		select {
		case <-tick.C:
			s.mu.Lock()
			last, tell := s.last, s.any && s.last != told
			s.mu.Unlock()
			if tell {
				told = last
				if s.write(fmt.Sprintf("CLIENT_FRAME_ACK %d", last)) != nil {
					return
				}
			}
		case <-s.viewer.ctx.Done():
			return
		}
	}
}

func (s *stream) write(text string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return fmt.Errorf("send %.40q: %w", text, err)
	}
	return nil
}

// close ends the stream; it may be called again.
func (s *stream) close() {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return
	}
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
	_ = s.conn.Close()
}
