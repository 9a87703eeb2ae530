// Package viewer is a visitor without a screen: it speaks the browser's side of Selkies
// 1.6 or 2 to any address (the demo desktop, real Selkies, or a gateway in front of
// either), counts whole VP8 frames and sends input. It promises errors that say how far it got and
// with which close code it was refused. It does not decode pictures, play sound, or
// connect again.
package viewer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v3"
)

// Names of the events, in the order in which they usually come.
const (
	EventOpened       = "opened"       // Dial was called
	EventTurn         = "turn"         // /turn has answered
	EventOpen         = "wsOpen"       // the video socket is open
	EventHello        = "hello"        // HELLO was answered; in WebSockets mode, MODE came
	EventSession      = "session"      // Selkies 2's app has taken the call
	EventOffer        = "offer"        // the app's offer for video came
	EventICEConnected = "iceConnected" // video's connection is up
	EventFirstFrame   = "firstFrame"   // the first whole frame came
	EventInputOpen    = "input"        // the data channel is open
	EventAudioOffer   = "audioOffer"   // the app's offer for audio came
	EventAudioPacket  = "audioPacket"  // the first packet of sound came
)

// Protocol is what the desktop speaks.
type Protocol int

// The protocols.
const (
	Selkies1 Protocol = iota
	Selkies2WebRTC
	Selkies2WebSockets
	LinuxServer
)

// Options say where to go and how.
type Options struct {
	// URL is the page's address, such as http://host/ ; sockets and TURN are looked for
	// where the protocol's own client does. A ws:// or wss:// address is used for the
	// socket as it is.
	URL string
	// Protocol is Selkies1 unless set.
	Protocol Protocol
	// Header goes with every request: Cookie, Authorization, Host.
	Header http.Header
	// Jar, if set, supplies and keeps cookies.
	Jar http.CookieJar
	// DialContext, if set, makes the TCP connections of HTTP and WebSockets, for instance
	// to reach a gateway whatever name the URL has.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS         *tls.Config
	// ForceRelay lets media go only through TURN.
	ForceRelay bool
	// ICEServers replaces what /turn says; nil asks /turn, an empty list asks nobody.
	ICEServers []webrtc.ICEServer
	// LoopbackOnly keeps media on the loopback interface.
	LoopbackOnly bool
	// NoAudio leaves out the second socket, which a browser always opens.
	NoAudio bool
	// Width and Height are told in HELLO; 0 means 1280x720.
	Width, Height int
	// OnEvent, if set, is called once for each event, from any goroutine, and must return
	// at once.
	OnEvent func(name string, at time.Time)
}

// Viewer is a visitor. It is safe for use by several goroutines.
type Viewer struct {
	options Options
	http    *http.Client
	ctx     context.Context
	end     context.CancelCauseFunc
	work    sync.WaitGroup // every goroutine
	video   *peer
	audio   *peer   // nil without audio
	stream  *stream // instead of both in WebSockets mode

	mu      sync.Mutex // guards all below
	events  map[string]time.Time
	stats   Stats
	changed chan struct{} // closes and is replaced when stats change
}

// Stats are counted since Dial.
type Stats struct {
	Frames       int // whole frames, from the first key frame on
	KeyFrames    int
	Broken       int // frames of which a packet was lost; in WebSockets mode, gaps in their numbers
	Bytes        int // of whole frames
	Width        int // as the last key frame said
	Height       int
	AudioPackets int
}

// ErrClosed is the reason after Close.
var ErrClosed = errors.New("the viewer was closed")

// Dial connects and returns as soon as the video socket is open; the desktop may still be
// starting then. The viewer lives until Close or until ctx ends.
func Dial(ctx context.Context, o Options) (*Viewer, error) {
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 1280, 720
	}
	page, socket, err := addresses(o.URL, o.Protocol)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	v := &Viewer{
		options: o, ctx: ctx, end: end, events: map[string]time.Time{}, changed: make(chan struct{}),
		http: &http.Client{Jar: o.Jar, Timeout: turnTimeout, Transport: &http.Transport{
			DialContext: o.DialContext, TLSClientConfig: o.TLS, DisableKeepAlives: true,
		}},
	}
	v.event(EventOpened)
	if o.Protocol == Selkies2WebSockets || o.Protocol == LinuxServer {
		v.stream, err = v.watchStream(socket)
	} else {
		err = v.call(page, socket)
	}
	if err != nil {
		v.stop(err)
		return nil, err
	}
	return v, nil
}

// call opens the sockets of a WebRTC protocol.
func (v *Viewer) call(page, socket *url.URL) error {
	config, err := v.configuration(page)
	if err == nil {
		v.video, err = v.dial(socket, videoID, config)
	}
	// Selkies 2 has sound and picture in one connection.
	if err == nil && v.options.Protocol == Selkies1 && !v.options.NoAudio {
		v.audio, err = v.dial(socket, audioID, config)
	}
	return err
}

// beside is where the socket is, from the page's folder, in all protocols but the first.
var beside = map[Protocol]string{Selkies2WebRTC: "api/webrtc/signaling/", Selkies2WebSockets: "api/websockets", LinuxServer: "websockets"}

// addresses returns the page's and the socket's address.
func addresses(text string, protocol Protocol) (page, socket *url.URL, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, nil, fmt.Errorf("address %q: want http, https, ws or wss and a host", text)
	}
	other := *u
	switch u.Scheme {
	case "ws", "wss":
		other.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
		other.Path, other.RawPath, other.RawQuery = "/", "", ""
		return &other, u, nil
	case "http", "https":
		other.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		other.RawPath = ""
		if protocol == Selkies1 {
			other.Path = "/" + appName(u.Path) + "/signalling/"
		} else {
			other.Path = folder(u.Path) + beside[protocol]
		}
		return u, &other, nil
	}
	return nil, nil, fmt.Errorf("address %q: want http, https, ws or wss, not %q", text, u.Scheme)
}

// appName is Selkies 1.6's: the first folder if the path ends in a slash.
func appName(path string) string {
	if first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); first != "" && strings.HasSuffix(path, "/") {
		return first
	}
	return "webrtc"
}

// folder is the one that a page is in.
func folder(path string) string {
	if path == "" {
		return "/"
	}
	return path[:strings.LastIndexByte(path, '/')+1]
}

// event notes the first time of an event.
func (v *Viewer) event(name string) {
	now := time.Now()
	v.mu.Lock()
	_, again := v.events[name]
	if !again {
		v.events[name] = now
	}
	v.mu.Unlock()
	if !again && v.options.OnEvent != nil {
		v.options.OnEvent(name, now)
	}
}

// Events returns when each event happened first.
func (v *Viewer) Events() map[string]time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	copied := make(map[string]time.Time, len(v.events))
	for name, at := range v.events {
		copied[name] = at
	}
	return copied
}

// count changes the statistics and wakes who waits for them.
func (v *Viewer) count(change func(*Stats)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.stats)
	close(v.changed)
	v.changed = make(chan struct{})
}

// Stats returns what was counted.
func (v *Viewer) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}

// Frames is how many whole frames came.
func (v *Viewer) Frames() int { return v.Stats().Frames }

// WaitFrames waits until n whole frames have come since Dial. Its error says how far the
// viewer got.
func (v *Viewer) WaitFrames(ctx context.Context, n int) error {
	return v.wait(ctx, fmt.Sprintf("%d frames", n), func(s Stats) bool { return s.Frames >= n })
}

// WaitAudio waits until n audio packets have come since Dial.
func (v *Viewer) WaitAudio(ctx context.Context, n int) error {
	return v.wait(ctx, fmt.Sprintf("%d audio packets", n), func(s Stats) bool { return s.AudioPackets >= n })
}

func (v *Viewer) wait(ctx context.Context, what string, enough func(Stats) bool) error {
	for {
		v.mu.Lock()
		stats, changed := v.stats, v.changed
		v.mu.Unlock()
		if enough(stats) {
			return nil
		}
		select {
		case <-changed:
		case <-v.ctx.Done():
			return fmt.Errorf("wait for %s: %w (%s)", what, context.Cause(v.ctx), v.progress())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%s)", what, context.Cause(ctx), v.progress())
		}
	}
}

// progress says how far this visit got, for errors.
func (v *Viewer) progress() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, at := "", time.Time{}
	for name, t := range v.events {
		if t.After(at) {
			last, at = name, t
		}
	}
	return fmt.Sprintf("%d frames, %d broken; last event %s, %s after opening", v.stats.Frames, v.stats.Broken, last,
		at.Sub(v.events[EventOpened]).Round(time.Millisecond))
}

// Done closes when the viewer has ended, by Close or because the other side did.
func (v *Viewer) Done() <-chan struct{} { return v.ctx.Done() }

// Err says why the viewer has ended; nil while it lives. A socket closed by the other side
// gives an error in which errors.As finds a *websocket.CloseError with code and reason.
func (v *Viewer) Err() error {
	if v.ctx.Err() == nil {
		return nil
	}
	return context.Cause(v.ctx)
}

// Close leaves, as a closed browser tab does, and waits until nothing of it runs.
func (v *Viewer) Close() { v.stop(ErrClosed) }

func (v *Viewer) stop(reason error) {
	v.end(reason)
	for _, p := range []*peer{v.video, v.audio} {
		if p != nil {
			p.close()
		}
	}
	if v.stream != nil {
		v.stream.close()
	}
	v.work.Wait()
	v.http.CloseIdleConnections()
}
