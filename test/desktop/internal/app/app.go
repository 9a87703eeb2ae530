// Package app is the app's end of Selkies' WebRTC sessions: it makes the offer, sends the
// screen or the sound, and takes input. It promises that a session costs nothing before a
// browser is there and leaves nothing running behind. It does not know how messages
// travel.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"

	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

// Options of all sessions.
type Options struct {
	// Servers gives the ICE servers for a session.
	Servers func(context.Context) iceconfig.Config
	// Screen waits for the X server.
	Screen func(context.Context) (Screen, error)
	// Mark notes a milestone, the first time of each name.
	Mark func(name string)
	// LoopbackOnly keeps media on the loopback interface, for tests on one machine.
	LoopbackOnly bool
	Log          *slog.Logger
}

// betterRouteWait is how long a direct route may take before a relayed one is used.
const betterRouteWait = 150 * time.Millisecond

// App makes sessions.
type App struct {
	Options
	api    *webrtc.API
	frames atomic.Uint64
}

// New prepares the codecs that browsers get offered: VP8 and Opus.
func New(o Options) (*App, error) {
	codecs := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}
	err := codecs.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback},
		PayloadType:        96,
	}, webrtc.RTPCodecTypeVideo)
	if err != nil {
		return nil, fmt.Errorf("register VP8: %w", err)
	}
	err = codecs.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"},
		PayloadType:        111,
	}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return nil, fmt.Errorf("register Opus: %w", err)
	}
	interceptors := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(codecs, interceptors); err != nil {
		return nil, fmt.Errorf("register retransmission: %w", err)
	}
	var s webrtc.SettingEngine
	// Multicast names of browsers cannot be looked up across a cluster.
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// The library waits 0.5 to 2 s for a better route before it settles; Selkies' does
	// not, and a demo of fast starts should not either.
	s.SetHostAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(betterRouteWait)
	s.SetRelayAcceptanceMinWait(betterRouteWait)
	if o.LoopbackOnly {
		s.SetIncludeLoopbackCandidate(true)
		s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	}
	return &App{Options: o, api: webrtc.NewAPI(webrtc.WithMediaEngine(codecs), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(s))}, nil
}

// FramesSent counts the video frames sent since the start.
func (a *App) FramesSent() uint64 { return a.frames.Load() }

// Media is what a session carries.
type Media struct {
	Video, Audio bool
	// Input lets the visitor move the pointer and type; only with Video.
	Input bool
}

// Open makes the session for a browser peer, whose name is for the log, and sends its
// offer.
func (a *App) Open(ctx context.Context, peer string, media Media, send func(signaling.Message) error) (signaling.Session, error) {
	var screen Screen
	if media.Video {
		var err error
		if screen, err = a.Screen(ctx); err != nil {
			return nil, err
		}
	}
	config := a.Servers(ctx)
	pc, err := a.api.NewPeerConnection(configuration(config))
	if err != nil {
		return nil, fmt.Errorf("make a peer connection with %d ICE servers: %w", len(config.ICEServers), err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{app: a, pc: pc, ctx: ctx, cancel: cancel, connected: make(chan struct{}), log: a.Log.With("peer", peer)}
	add := func() error {
		if media.Video {
			if err := s.addVideo(screen, media.Input); err != nil {
				return err
			}
		}
		if media.Audio {
			return s.addAudio()
		}
		return nil
	}
	if err := s.start(add, send); err != nil {
		s.Close()
		return nil, err
	}
	a.Mark("offer sent to peer " + peer)
	return s, nil
}

func configuration(c iceconfig.Config) webrtc.Configuration {
	w := webrtc.Configuration{}
	for _, s := range c.ICEServers {
		server := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
		if s.Credential != "" {
			server.Credential = s.Credential
		}
		w.ICEServers = append(w.ICEServers, server)
	}
	if c.RelayOnly() {
		w.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	return w
}

// session is one peer connection. It ends when it fails, or by Close.
type session struct {
	app    *App
	pc     *webrtc.PeerConnection
	ctx    context.Context
	cancel context.CancelFunc
	log    *slog.Logger

	connected   chan struct{} // closes when media can flow
	connectOnce sync.Once
	work        sync.WaitGroup // goroutines that send media
	closeOnce   sync.Once

	mu    sync.Mutex                // guards early
	early []webrtc.ICECandidateInit // candidates that came before the answer
}

var _ signaling.Session = (*session)(nil)

// mostEarlyCandidates bounds candidates that come before the answer.
const mostEarlyCandidates = 64

func (s *session) start(addMedia func() error, send func(signaling.Message) error) error {
	s.pc.OnICEConnectionStateChange(func(state webrtc.ICEConnectionState) {
		s.log.Info("ice", "state", state.String())
	})
	s.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			s.connectOnce.Do(func() {
				s.app.Mark("media connected")
				close(s.connected)
			})
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			s.cancel()
		default:
		}
	})
	if err := addMedia(); err != nil {
		return err
	}
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("make the offer: %w", err)
	}
	// The offer must leave before the first candidate, and candidates start to come with
	// SetLocalDescription: they wait for this.
	offered := make(chan struct{})
	s.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		select {
		case <-offered:
		case <-s.ctx.Done():
			return
		}
		if c == nil {
			return
		}
		init := c.ToJSON()
		line := uint16(0)
		if init.SDPMLineIndex != nil {
			line = *init.SDPMLineIndex
		}
		_ = send(signaling.Message{ICE: &signaling.Candidate{Candidate: init.Candidate, SDPMLineIndex: &line}})
	})
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("use the offer: %w", err)
	}
	if err := send(signaling.Message{SDP: &signaling.Description{Type: "offer", SDP: offer.SDP}}); err != nil {
		return err
	}
	close(offered)
	return nil
}

// Handle takes the answer and the browser's candidates.
func (s *session) Handle(m signaling.Message) error {
	switch {
	case m.SDP != nil:
		if m.SDP.Type != "answer" {
			return fmt.Errorf("the browser sent an %s: the app makes the offer", m.SDP.Type)
		}
		if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.SDP.SDP}); err != nil {
			return fmt.Errorf("use the answer: %w", err)
		}
		s.mu.Lock()
		early := s.early
		s.early = nil
		s.mu.Unlock()
		for _, c := range early {
			if err := s.pc.AddICECandidate(c); err != nil {
				return fmt.Errorf("use candidate %q: %w", c.Candidate, err)
			}
		}
	case m.ICE != nil && m.ICE.Candidate != "":
		c := webrtc.ICECandidateInit{Candidate: m.ICE.Candidate, SDPMLineIndex: m.ICE.SDPMLineIndex}
		if s.pc.RemoteDescription() == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.early) >= mostEarlyCandidates {
				return fmt.Errorf("more than %d candidates before the answer", mostEarlyCandidates)
			}
			s.early = append(s.early, c)
			return nil
		}
		if err := s.pc.AddICECandidate(c); err != nil {
			return fmt.Errorf("use candidate %q: %w", c.Candidate, err)
		}
	}
	return nil
}

// Done closes when the session has failed or was closed.
func (s *session) Done() <-chan struct{} { return s.ctx.Done() }

// Close ends the session and what it runs.
func (s *session) Close() {
	s.closeOnce.Do(func() {
		s.cancel()
		s.work.Wait()
		_ = s.pc.Close()
	})
}

// connectTimeout bounds how long an answer and its candidates may take to lead anywhere.
const connectTimeout = 60 * time.Second

// waitConnected returns when media can flow.
func (s *session) waitConnected() error {
	select {
	case <-s.connected:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(connectTimeout):
		s.cancel()
		return fmt.Errorf("no media connection within %s: check that one side can reach the other or a TURN server", connectTimeout)
	}
}
