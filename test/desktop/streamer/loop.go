package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

// How the one thread of Selkies 1.6.2 passes its time was seen by running it: where nobody
// waits, its first sleep comes about 90 ms after the port listens (24 starts with its X server and
// sound), 9 to 11 ms at best, and 5 to 7 ms with its signaling alone (signalling_web.py,
// webrtc_signalling.py). So with version 10 of Python's websockets; with 13, which its images have,
// its own first connection comes just before its port listens, and the next 2 s later
// (asyncio.sleep(2), which blocks nobody): DESKTOP_FIRST_ASK. Between two sleeps the loop turns a few
// times, for 1 to 3 ms.
const (
	firstAsk = 90 * time.Millisecond
	// gap is a little longer than seen, so that on a busy machine too every waiting
	// goroutine gets its one step.
	gap = 5 * time.Millisecond
	// longestStart bounds how long an app holds the loop while it starts its pipeline. Its
	// offer, made meanwhile, leaves before anybody sleeps.
	longestStart = time.Second
	// look is how soon a viewer's leaving is seen.
	look = 20 * time.Millisecond
)

// loop imitates the event loop of Selkies 1.6.2, which its web server, its signaling
// server and its two apps share. An app asks SESSION for its browser peer; where that is
// absent it sleeps in the loop (time.sleep(2), __main__.py:540 and :548) and asks again.
// While one sleeps nothing moves, files and /turn included; between two sleeps everything
// that waits gets one step. Where both peers are there when first asked for, nobody ever
// sleeps.
type loop struct {
	block   time.Duration
	first   time.Duration // from when the port listens to the apps' first question
	present func(uid string) bool

	mu      sync.Mutex // guards all below
	phase   phase
	gaps    int             // how many have begun
	sleeps  int             // how often an app slept
	granted map[string]bool // peers whose app was told that they are there
	begins  map[string]bool // those of them whose app has not made its offer yet
	changed chan struct{}   // closes and is replaced when any of these changes
}

var _ signaling.Loop = (*loop)(nil)

type phase int

const (
	awake  phase = iota // nobody sleeps or is about to
	asleep              // an app sleeps: nothing moves
	inGap               // between two sleeps
)

func newLoop(block, first time.Duration, present func(uid string) bool) *loop {
	return &loop{block: block, first: first, present: present, granted: map[string]bool{}, begins: map[string]bool{}, changed: make(chan struct{})}
}

// run passes the loop's time from the moment the port listens until ctx ends.
func (l *loop) run(ctx context.Context) {
	pause(ctx, l.first)
	apps := []string{signaling.BrowserVideo, signaling.BrowserAudio}
	for _, peer := range apps {
		l.ask(peer)
	}
	for ctx.Err() == nil {
		for _, peer := range apps {
			if l.has(peer) {
				if !l.present(peer) { // it has left: its app connects anew and asks
					l.ask(peer)
				}
				continue
			}
			l.pipelines(ctx)
			l.set(func() { l.phase, l.sleeps = asleep, l.sleeps+1 })
			pause(ctx, l.block)
			l.set(func() { l.phase, l.gaps = inGap, l.gaps+1 })
			pause(ctx, gap)
			l.ask(peer)
		}
		if !slices.ContainsFunc(apps, func(peer string) bool { return !l.has(peer) }) {
			l.set(func() { l.phase = awake })
			pause(ctx, look)
		}
	}
	l.set(func() { l.phase = awake })
}

// ask is an app's SESSION for its peer and the answer to it.
func (l *loop) ask(peer string) {
	there := l.present(peer)
	l.set(func() {
		l.begins[peer] = there && !l.granted[peer]
		l.granted[peer] = there
	})
}

// pipelines lets every app that has found its peer make its offer.
func (l *loop) pipelines(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, longestStart)
	defer cancel()
	waited := false
	l.until(ctx, func() bool {
		for _, begins := range l.begins {
			if begins {
				waited = true
				return false
			}
		}
		return true
	})
	if waited {
		pause(ctx, gap) // in which the offer is passed on
	}
}

func (l *loop) has(peer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted[peer]
}

// slept is how often an app slept.
func (l *loop) slept() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sleeps
}

func (l *loop) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// until returns when ready, which is called with mu held, says so, or ctx ends.
func (l *loop) until(ctx context.Context, ready func() bool) {
	for {
		l.mu.Lock()
		done, changed := ready(), l.changed
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Turn returns when the loop moves: for what only passes a message on.
func (l *loop) Turn(ctx context.Context) {
	l.until(ctx, func() bool { return l.phase != asleep })
}

// Step returns when the loop takes the next step of something that it has begun. Between
// two sleeps there is one for each.
func (l *loop) Step(ctx context.Context) {
	l.mu.Lock()
	begun := l.gaps
	l.mu.Unlock()
	l.until(ctx, func() bool { return l.phase == awake || l.gaps > begun })
}

// Session returns when the app has been told that its peer is there.
func (l *loop) Session(ctx context.Context, peer string) {
	l.until(ctx, func() bool { return l.granted[peer] && l.phase != asleep })
}

// Offered tells that an app has made its offer, or has failed to.
func (l *loop) Offered(peer string) { l.set(func() { l.begins[peer] = false }) }

// through makes requests wait for the loop: one step takes the connection, and for all but
// WebSockets another one answers.
func (l *loop) through(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.Turn(r.Context())
		if !signaling.IsPath(r.URL.Path) {
			l.Step(r.Context())
		}
		next.ServeHTTP(w, r)
	})
}
