package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/test/desktop/internal/signaling"
)

// crowd is who is registered, by peer.
type crowd struct {
	mu    sync.Mutex
	there map[string]bool
}

func (c *crowd) present(uid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there[uid]
}

func (c *crowd) set(uid string, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.there[uid] = there
}

const selkiesSleep = 2 * time.Second

// inLoop runs a test with a loop of Selkies 1.6.2 that has just begun to listen, in
// time that passes only when everybody waits.
func inLoop(t *testing.T, test func(ctx context.Context, l *loop, c *crowd)) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{there: map[string]bool{}}
		l := newLoop(selkiesSleep, firstAsk, c.present)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.run(ctx) })
		test(ctx, l, c)
		cancel()
		running.Wait()
	})
}

// register is a viewer's socket: the upgrade, then HELLO.
func register(ctx context.Context, l *loop, c *crowd, uid string) {
	l.Turn(ctx)
	l.Step(ctx)
	c.set(uid, true)
}

func TestAViewerThatWaitsAtThePortNeverMeetsTheSleep(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *loop, c *crowd) {
		began := time.Now()
		register(ctx, l, c, signaling.BrowserVideo)
		register(ctx, l, c, signaling.BrowserAudio)
		l.Session(ctx, signaling.BrowserVideo)
		l.Session(ctx, signaling.BrowserAudio)
		l.Step(ctx) // a file, say
		assert.Equal(t, firstAsk, time.Since(began), "both sessions")
	})
}

func TestAnAudioPeerThatComesLateMeetsOneSleepAndVideoNone(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *loop, c *crowd) {
		began := time.Now()
		register(ctx, l, c, signaling.BrowserVideo)
		l.Session(ctx, signaling.BrowserVideo)
		assert.Equal(t, firstAsk, time.Since(began), "video's session")
		const start = 250 * time.Millisecond // of the pipeline; the offer is passed on then
		time.Sleep(start)
		l.Offered(signaling.BrowserVideo)
		l.Turn(ctx)
		assert.Equal(t, firstAsk+start, time.Since(began), "video's offer left")
		register(ctx, l, c, signaling.BrowserAudio)
		l.Session(ctx, signaling.BrowserAudio)
		if took := time.Since(began); took < selkiesSleep || took > selkiesSleep+firstAsk+start+2*gap {
			t.Errorf("audio's session after %s, want one sleep of %s", took, selkiesSleep)
		}
	})
}

func TestAViewerOfADesktopThatIsUpMeetsSleepAfterSleep(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *loop, c *crowd) {
		time.Sleep(6 * time.Second)
		began := time.Now()
		var both sync.WaitGroup
		for _, uid := range []string{signaling.BrowserVideo, signaling.BrowserAudio} {
			both.Go(func() {
				register(ctx, l, c, uid)
				l.Session(ctx, uid)
			})
		}
		both.Wait()
		// Seen with the real one: 4.0 to 6.5 s, by where in a sleep the viewer comes.
		if took := time.Since(began); took < 2*time.Second || took > 6*time.Second+4*gap {
			t.Errorf("the sessions began after %s, want 2 s to 6 s", took)
		}
		began = time.Now()
		l.Step(ctx)
		l.Turn(ctx)
		assert.EqualValues(t, 0, time.Since(began), "with both viewers there, the loop still took")
	})
}

func TestEveryRequestWaitsWhileNobodyIsConnected(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *loop, _ *crowd) {
		all := l.through(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		time.Sleep(100 * time.Millisecond)
		for _, path := range []string{"/", "/selkies1.js", "/fonts/text.ttf", "/health", "/turn"} {
			began := time.Now()
			all.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
			// Seen with the real one: 2.8 to 3.6 s; `curl -m1 /health` mostly fails.
			if took := time.Since(began); took < selkiesSleep || took > 2*selkiesSleep+2*gap {
				t.Errorf("%s took %s, want 2 s to 4 s", path, took)
			}
			time.Sleep(370 * time.Millisecond)
		}
		for _, path := range []string{"/ws", "/webrtc/signalling/"} {
			l.until(ctx, func() bool { return l.phase == asleep })
			began := time.Now()
			all.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
			if took := time.Since(began); took < selkiesSleep/2 || took > selkiesSleep {
				t.Errorf("an upgrade at %s took %s, want until the sleep was over", path, took)
			}
		}
	})
}

func TestTheSleepsReturnWhenAViewerLeaves(t *testing.T) {
	inLoop(t, func(ctx context.Context, l *loop, c *crowd) {
		c.set(signaling.BrowserVideo, true)
		c.set(signaling.BrowserAudio, true)
		l.Session(ctx, signaling.BrowserAudio)
		l.Offered(signaling.BrowserVideo)
		l.Offered(signaling.BrowserAudio)
		c.set(signaling.BrowserVideo, false)
		time.Sleep(2 * look)
		began := time.Now()
		l.Turn(ctx)
		assert.GreaterOrEqual(t, time.Since(began), selkiesSleep/2, "a step took although the video viewer has left")
	})
}
