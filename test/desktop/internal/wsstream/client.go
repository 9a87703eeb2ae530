package wsstream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// client is one browser's socket.
type client struct {
	server   *Server
	conn     *websocket.Conn
	role     string
	drop     context.CancelFunc // ends the client
	keyFrame chan struct{}      // holds at most one wish

	writing sync.Mutex // one writer at a time

	// All below belong to run's goroutine.
	media     Media
	stopVideo func()
	stopAudio func()
}

// run greets the client and does what it says until it leaves.
func (c *client) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	defer c.drop()
	stay := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(2 * pingEvery)) }
	c.conn.SetPongHandler(stay)
	work.Go(func() { c.keepAlive(ctx) })
	for _, text := range []string{
		"MODE websockets", `DISPLAY_CONFIG_UPDATE,{"type": "display_config_update", "displays": []}`, `cursor,{"override": null}`,
		`{"type": "server_settings", "settings": {"encoder": {"value": "vp8", "allowed": ["vp8"]}, "microphone_enabled": {"value": false, "locked": true}}}`,
	} {
		if c.text(text) != nil {
			return
		}
	}
	media, err := c.server.Media(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.server.Log.Error("cannot show the desktop", "error", err.Error())
		}
		c.close(websocket.CloseInternalServerErr, "")
		return
	}
	c.media = media
	if c.role == Controller {
		defer media.Release()
	}
	for {
		_ = stay("")
		kind, raw, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.TextMessage {
			c.take(ctx, &work, string(raw))
		}
	}
}

// take does what one text message asks for.
func (c *client) take(ctx context.Context, work *sync.WaitGroup, text string) {
	word, _, _ := strings.Cut(text, ",")
	switch {
	case word == "SETTINGS" && c.role == Controller:
		c.server.own(c)
		_ = c.text("PIPELINE_RESETTING primary")
		c.startVideo(ctx, work)
	case word == "START_VIDEO":
		c.startVideo(ctx, work)
	case word == "STOP_VIDEO":
		if c.stopVideo != nil {
			c.stopVideo()
			c.stopVideo = nil
		}
		_ = c.text("VIDEO_STOPPED")
	case word == "START_AUDIO":
		if c.stopAudio == nil {
			var audio context.Context
			audio, c.stopAudio = context.WithCancel(ctx)
			work.Go(func() { c.ended(audio, "sound", c.media.Audio(audio, c.sendAudio)) })
		}
	case word == "STOP_AUDIO":
		if c.stopAudio != nil {
			c.stopAudio()
			c.stopAudio = nil
		}
	case word == "REQUEST_KEYFRAME":
		select {
		case c.keyFrame <- struct{}{}:
		default:
		}
	case strings.HasPrefix(word, "CLIENT_FRAME_ACK"):
		c.server.mu.Lock()
		c.server.acks++
		c.server.mu.Unlock()
	case c.role == Controller:
		if err := c.media.Do(text); err != nil {
			c.server.Log.Warn("ignored input", "error", err.Error())
		}
	}
}

func (c *client) startVideo(ctx context.Context, work *sync.WaitGroup) {
	if c.stopVideo == nil {
		var video context.Context
		video, c.stopVideo = context.WithCancel(ctx)
		work.Go(func() {
			number := uint16(0)
			var message []byte
			width, height := c.media.Size()
			c.ended(video, "video", c.media.Video(video, c.keyFrame, func(vp8 []byte) error {
				number++
				// RFC 6386, section 9.1: the lowest bit is 0 for a key frame.
				message = Frame{Number: number, Key: vp8[0]&1 == 0, Width: width, Height: height, VP8: vp8}.Append(message[:0])
				return c.write(websocket.BinaryMessage, message)
			}))
		})
	}
	_ = c.text("VIDEO_STARTED")
}

func (c *client) sendAudio(opus []byte) error {
	return c.write(websocket.BinaryMessage, append([]byte{kindAudio, 0}, opus...))
}

// ended closes the socket when a stream has ended that was still wanted.
func (c *client) ended(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		c.server.Log.Error("a stream has ended", "what", what, "error", fmt.Sprint(err))
		c.close(websocket.CloseInternalServerErr, "")
	}
}

func (c *client) keepAlive(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *client) text(text string) error { return c.write(websocket.TextMessage, []byte(text)) }

// write sends a message; a client that does not read for writeTimeout is dropped.
func (c *client) write(kind int, message []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	err := c.conn.WriteMessage(kind, message)
	if err != nil {
		c.drop()
	}
	return err
}

// close ends the socket from the server's side.
func (c *client) close(code int, reason string) {
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	c.drop()
}
