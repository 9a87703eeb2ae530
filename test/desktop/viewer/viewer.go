// Package viewer is a visitor without a screen: it speaks the browser's side of Selkies
// 1.6 to any address (the demo desktop, real Selkies, or a gateway in front of either),
// counts whole VP8 frames and sends input. It promises errors that say how far it got and
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
	EventHello        = "hello"        // HELLO was answered
	EventOffer        = "offer"        // the app's offer for video came
	EventICEConnected = "iceConnected" // video's connection is up
	EventFirstFrame   = "firstFrame"   // the first whole frame came
	EventInputOpen    = "input"        // the data channel is open
	EventAudioOffer   = "audioOffer"   // the app's offer for audio came
	EventAudioPacket  = "audioPacket"  // the first packet of sound came
)

// Options say where to go and how.
type Options struct {
	// URL is the page's address, such as http://host/ ; as Selkies' client does, signaling
	// is looked for at /<first folder, or "webrtc">/signalling/ and /turn at the root. A
	// ws:// or wss:// address is used for signaling as it is.
	URL string
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
	audio   *peer // nil without audio

	mu      sync.Mutex // guards all below
	events  map[string]time.Time
	stats   Stats
	changed chan struct{} // closes and is replaced when stats change
}

// Stats are counted since Dial.
type Stats struct {
	Frames       int // whole frames, from the first key frame on
	KeyFrames    int
	Broken       int // frames of which a packet was lost
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
	page, signaling, err := addresses(o.URL)
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
	config, err := v.configuration(page)
	if err == nil {
		v.video, err = v.dial(signaling, videoID, config)
	}
	if err == nil && !o.NoAudio {
		v.audio, err = v.dial(signaling, audioID, config)
	}
	if err != nil {
		v.stop(err)
		return nil, err
	}
	return v, nil
}

// addresses returns the page's and the signaling's address.
func addresses(text string) (page, signaling *url.URL, err error) {
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
		// Selkies 1.6's client: the first folder is the app's name if the path ends in
		// a slash.
		name := "webrtc"
		if first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); first != "" && strings.HasSuffix(u.Path, "/") {
			name = first
		}
		other.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		other.Path, other.RawPath = "/"+name+"/signalling/", ""
		return u, &other, nil
	}
	return nil, nil, fmt.Errorf("address %q: want http, https, ws or wss, not %q", text, u.Scheme)
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
	v.work.Wait()
	v.http.CloseIdleConnections()
}
