package viewer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

// Ids under which a browser registers.
const (
	videoID = signaling.BrowserVideo
	audioID = signaling.BrowserAudio
)

const (
	// upgradeTimeout is how long Chromium waits for a WebSocket to open.
	upgradeTimeout = 240 * time.Second
	writeTimeout   = 10 * time.Second
	mostEarly      = 64
	// callAgain is Selkies 2's pause after "ERROR peer server not found".
	callAgain = time.Second
)

// What a client of Selkies 2 says first.
const (
	selkies2Hello = `HELLO client {"client_type":"controller","client_slot":-1,"client_strict_viewer":false,"client_token":"","display_id":"primary","display_position":"right"}`
	selkies2Call  = "SESSION server"
)

// peer is one socket and its connection.
type peer struct {
	viewer *Viewer
	id     string
	conn   *websocket.Conn
	config webrtc.Configuration

	writing sync.Mutex // one writer at a time

	mu     sync.Mutex // guards all below
	pc     *webrtc.PeerConnection
	input  *webrtc.DataChannel // open, or nil
	early  []webrtc.ICECandidateInit
	closed bool

	naming sync.Mutex // guards server
	server string     // Selkies 2: the app's name and a space, before what we say to it
}

func (v *Viewer) dial(socket *url.URL, id string, config webrtc.Configuration) (*peer, error) {
	conn, err := v.open(socket)
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", id, err)
	}
	p := &peer{viewer: v, id: id, conn: conn, config: config}
	p.event(EventOpen, "")
	if err := p.write([]byte(p.hello())); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("send HELLO of peer %s: %w", id, err)
	}
	v.work.Go(func() {
		if err := p.read(); err != nil {
			v.end(fmt.Errorf("peer %s: %w", id, err))
		}
	})
	return p, nil
}

// open opens a WebSocket, as patiently as a browser.
func (v *Viewer) open(socket *url.URL) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(v.ctx, upgradeTimeout)
	defer cancel()
	dialer := websocket.Dialer{NetDialContext: v.options.DialContext, TLSClientConfig: v.options.TLS, Jar: v.options.Jar, HandshakeTimeout: upgradeTimeout}
	header := http.Header{}
	maps.Copy(header, v.options.Header)
	conn, resp, err := dialer.DialContext(ctx, socket.String(), header)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err == nil {
		return conn, nil
	}
	if resp != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, fmt.Errorf("open %s: %w: answered %s: %q", socket, err, resp.Status, body)
	}
	return nil, fmt.Errorf("open %s: %w", socket, err)
}

func (p *peer) hello() string {
	if p.viewer.options.Protocol == Selkies2WebRTC {
		return selkies2Hello
	}
	meta := fmt.Sprintf(`{"res":"%dx%d","scale":1}`, p.viewer.options.Width, p.viewer.options.Height)
	return "HELLO " + p.id + " " + base64.StdEncoding.EncodeToString([]byte(meta))
}

// event reports an event under the name that it has for this peer, if any.
func (p *peer) event(video, audio string) {
	name := video
	if p.id == audioID {
		name = audio
	}
	if name != "" {
		p.viewer.event(name)
	}
}

func (p *peer) write(text []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.conn.WriteMessage(websocket.TextMessage, text)
}

func (p *peer) writeJSON(m signaling.Message) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.write(append([]byte(p.to()), raw...))
}

// to is what comes before a message to the app.
func (p *peer) to() string {
	p.naming.Lock()
	defer p.naming.Unlock()
	return p.server
}

// read handles what the app says until the socket closes. It waits as long as a browser
// does: for ever, so the viewer's context is what ends it.
func (p *peer) read() error {
	stop := context.AfterFunc(p.viewer.ctx, p.close)
	defer stop()
	p.conn.SetReadLimit(signaling.LargestMessage)
	for {
		_, raw, err := p.conn.ReadMessage()
		if err != nil {
			return closing(err)
		}
		text := string(raw)
		if p.viewer.options.Protocol == Selkies2WebRTC {
			if text = p.greet(text); text == "" {
				continue
			}
		}
		if text == "HELLO" {
			p.event(EventHello, "")
			continue
		}
		if strings.HasPrefix(text, "ERROR") {
			continue // Selkies' client only shows it
		}
		m, err := signaling.ParseMessage([]byte(text))
		if err != nil {
			return fmt.Errorf("%w: %.100q", err, raw)
		}
		switch {
		case m.SDP != nil && m.SDP.Type == "offer":
			p.event(EventOffer, EventAudioOffer)
			if err := p.answer(m.SDP.SDP); err != nil {
				return err
			}
		case m.ICE != nil && m.ICE.Candidate != "":
			if err := p.candidate(webrtc.ICECandidateInit{Candidate: m.ICE.Candidate, SDPMLineIndex: m.ICE.SDPMLineIndex}); err != nil {
				return err
			}
		}
	}
}

// closing is the error for a socket that has ended.
func closing(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return fmt.Errorf("the socket was closed with code %d, reason %q: %w", closed.Code, closed.Text, err)
	}
	return fmt.Errorf("the socket broke: %w", err)
}

// greet takes what Selkies 2 says until the session, and returns the rest without the
// other side's name.
func (p *peer) greet(text string) string {
	call := func() { _ = p.write([]byte(selkies2Call)) }
	switch {
	case text == "HELLO":
		p.event(EventHello, "")
		call()
	case strings.HasPrefix(text, "SESSION_OK "):
		p.event(EventSession, "")
		p.naming.Lock()
		p.server = strings.TrimPrefix(text, "SESSION_OK ") + " "
		p.naming.Unlock()
	case text == "ERROR peer server not found":
		again := time.AfterFunc(callAgain, call)
		context.AfterFunc(p.viewer.ctx, func() { again.Stop() })
	case strings.HasPrefix(text, "ERROR"):
	default:
		_, payload, _ := strings.Cut(text, " ")
		return payload
	}
	return ""
}

func (p *peer) candidate(c webrtc.ICECandidateInit) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pc != nil && p.pc.RemoteDescription() != nil {
		if err := p.pc.AddICECandidate(c); err != nil {
			return fmt.Errorf("use candidate %q: %w", c.Candidate, err)
		}
		return nil
	}
	if len(p.early) >= mostEarly {
		return fmt.Errorf("more than %d candidates before the offer", mostEarly)
	}
	p.early = append(p.early, c)
	return nil
}

// answer makes the connection that an offer asks for.
func (p *peer) answer(offer string) error {
	pc, err := p.viewer.newConnection(p.config)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.pc != nil {
		_ = pc.Close()
		if p.closed {
			return ErrClosed
		}
		return errors.New("a second offer came on the same socket")
	}
	p.pc = pc
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			p.event(EventICEConnected, "")
		case webrtc.PeerConnectionStateFailed:
			p.viewer.end(fmt.Errorf("peer %s: no route for media was found", p.id))
		default:
		}
	})
	pc.OnDataChannel(func(d *webrtc.DataChannel) {
		if d.Label() != "input" {
			return
		}
		d.OnOpen(func() {
			p.mu.Lock()
			p.input = d
			p.mu.Unlock()
			p.event(EventInputOpen, "")
			p.viewer.count(func(*Stats) {}) // wakes who waits for it
		})
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			p.watch(pc, track)
		} else {
			p.listen(track)
		}
	})
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return fmt.Errorf("use the offer: %w", err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("make the answer: %w", err)
	}
	answered := make(chan struct{})
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		select {
		case <-answered:
		case <-p.viewer.ctx.Done():
			return
		}
		if c != nil {
			init := c.ToJSON()
			_ = p.writeJSON(signaling.Message{ICE: &signaling.Candidate{Candidate: init.Candidate, SDPMLineIndex: init.SDPMLineIndex}})
		}
	})
	if err := pc.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("use the answer: %w", err)
	}
	if err := p.writeJSON(signaling.Message{SDP: &signaling.Description{Type: "answer", SDP: answer.SDP}}); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	close(answered)
	for _, c := range p.early {
		if err := pc.AddICECandidate(c); err != nil {
			return fmt.Errorf("use candidate %q: %w", c.Candidate, err)
		}
	}
	p.early = nil
	return nil
}

// newConnection makes a connection that takes VP8 and Opus.
func (v *Viewer) newConnection(config webrtc.Configuration) (*webrtc.PeerConnection, error) {
	codecs := &webrtc.MediaEngine{}
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		return nil, fmt.Errorf("register codecs: %w", err)
	}
	interceptors := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(codecs, interceptors); err != nil {
		return nil, fmt.Errorf("register retransmission: %w", err)
	}
	var s webrtc.SettingEngine
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if v.options.LoopbackOnly {
		s.SetIncludeLoopbackCandidate(true)
		s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(codecs), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(s)).NewPeerConnection(config)
	if err != nil {
		return nil, fmt.Errorf("make a peer connection with %d ICE servers: %w", len(config.ICEServers), err)
	}
	return pc, nil
}

// close ends the peer; it may be called again.
func (p *peer) close() {
	p.mu.Lock()
	pc, again := p.pc, p.closed
	p.closed = true
	p.input = nil
	p.mu.Unlock()
	if again {
		return
	}
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
	_ = p.conn.Close()
	if pc != nil {
		_ = pc.Close()
	}
}
