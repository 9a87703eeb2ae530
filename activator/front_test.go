package activator_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// front is the web server in front of a desktop, as in linuxserver.io's images: it is there
// first and answers by itself for what is behind it until that has started.
type front struct {
	*httptest.Server
	starting atomic.Int32 // the status until then; 0 is started
	asked    atomic.Int32
}

func newFront(t *testing.T, starting int, desktop *httptest.Server) *front {
	t.Helper()
	behind, err := url.Parse(desktop.URL)
	require.NoError(t, err)
	f := &front{}
	f.starting.Store(int32(starting))
	proxy := httputil.NewSingleHostReverseProxy(behind)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if status := f.starting.Load(); status != 0 {
			http.Error(w, "behind me is nothing", int(status))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func TestAWebServerThatAnswers404BeforeItsDesktopIsThereIsAskedAgain(t *testing.T) {
	g := newGateway(t)
	f := newFront(t, http.StatusNotFound, newDesktop(t))
	g.Wakes(f.Server)
	held := g.dial("/websockets", g.As(fromPage))
	say(t, held, "SETTINGS,{}")
	eventually.True(g.T, "it was asked more than once", func() bool { return f.asked.Load() > 2 })
	again := g.dial("/websockets", g.As(fromPage)) // nobody is refused meanwhile
	f.starting.Store(0)
	expectEcho(t, held, "SETTINGS,{}")
	say(t, again, "cr")
	expectEcho(t, again, "cr")

	// From now on it is known to be there, and means it.
	f.starting.Store(http.StatusNotFound)
	expectClosed(t, g.dial("/elsewhere", g.As(fromPage)), 1011, "404 Not Found")
	g.expectUpgradeRefused("/elsewhere", http.StatusNotFound)
	// The next pod starts like this one.
	g.DropPod()
	next := gatewaytest.PodOf(g.Owned, f.Server)
	next.UID = "q"
	g.SetPod(next)
	held = g.dial("/websockets", g.As(fromPage))
	say(t, held, "cr")
	f.starting.Store(0)
	expectEcho(t, held, "cr")
}

func TestA404ThatStaysIsToldInTheEnd(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldTime.Duration = 300 * time.Millisecond })
	f := newFront(t, http.StatusNotFound, newDesktop(t))
	g.Wakes(f.Server)
	expectClosed(t, g.dial("/websockify", g.As(fromPage)), 1011, "404 Not Found")
	g.ExpectRefusals(closing.DesktopRejected, 1)
}

func TestTheFrameIsNotShownWhatAWebServerSaysBeforeItsDesktopIsThere(t *testing.T) {
	for _, starting := range []int{502, 503, 504} {
		g := newGateway(t)
		f := newFront(t, starting, newDesktop(t))
		g.Wakes(f.Server)
		framed := make(chan answer, 1)
		go func() { framed <- g.do(http.MethodGet, "/", g.As(framing)) }()
		eventually.True(g.T, "it was asked more than once", func() bool { return f.asked.Load() > 1 })
		// A program gets the answer as it is.
		assert.Equal(t, starting, g.do(http.MethodGet, "/state", g.As(fetching)).code, "a program")
		f.starting.Store(0)
		got := <-framed
		require.Equal(t, 200, got.code)
		assert.Equal(t, "desktop GET / cookies:", got.body, "the frame")
		eventually.Equal(g.T, "all places are given back", 0, value(g.Metrics.Held))
	}
}

func TestTheFrameWaitsForItsDocumentNoLongerThanARequestIsHeld(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 600 * time.Millisecond })
	f := newFront(t, http.StatusBadGateway, newDesktop(t))
	g.Wakes(f.Server)
	assert.Equal(t, http.StatusBadGateway, g.do(http.MethodGet, "/", g.As(framing)).code, "the frame")
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Front.URL+"/", nil)
	require.NoError(t, err)
	r.Host, r.Header = g.Host, g.As(framing)
	time.AfterFunc(100*time.Millisecond, leave)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("who left was answered")
	}
	eventually.Equal(g.T, "who left waits no longer", 0, value(g.Metrics.Held))
}

func TestWhichModeItIsInIsSaidForADesktopThatStarts(t *testing.T) {
	const path = "/api/status?t=1"
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 50 * time.Millisecond })
	asks := func(what, want string) {
		t.Helper()
		got := g.do(http.MethodGet, path, g.As(fetching))
		switch {
		case want == "" && got.code != http.StatusServiceUnavailable:
			t.Errorf("%s: %d %s, want that it waits", what, got.code, got.body)
		case want != "" && (got.code != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store"):
			t.Errorf("%s: %d %s %v, want %s", what, got.code, got.body, got.header, want)
		}
	}
	sleeps := func() {
		g.DropPod()
		g.Sleeps(lifecycle.ReasonDisconnected, "")
	}
	asks("nobody knows", "")
	g.Speaks(v1alpha1.ProtocolSelkies2WebRTC)
	asks("the template's word", `{"current_mode":"webrtc"}`)
	assert.NotEqual(t, 0, g.Woken(), "who asks for the mode wakes nothing")
	// Without it, by the client that got through last.
	g.Speaks(v1alpha1.ProtocolAuto)
	for at, want := range map[string]string{webRTC: `{"current_mode":"webrtc"}`, webSockets: `{"current_mode":"websockets"}`} {
		g.Wakes(newSelkies2(t, at).Server)
		g.dial(at, g.As(fromPage))
		eventually.True(g.T, "it is recorded", func() bool {
			view, _ := g.Directory.View(alice)
			return string(signaling.ModeAnswer(view.Session.Protocol())) == want
		})
		sleeps()
		asks("its last client's", want)
		time.Sleep(wake.ReportPause)
	}
	g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	asks("switched off", "")
	g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = "" })
	g.Speaks(v1alpha1.ProtocolWebSocket)
	asks("another desktop's own address", "")
}

func TestAFrameThatAsksForTheModeWakesNothingThatAClockPutToSleep(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 50 * time.Millisecond })
	g.Wakes(newDesktop(t))
	g.Sleeps(lifecycle.ReasonIdle, "")
	g.do(http.MethodGet, "/api/status", g.As(framing))
	assert.Equal(t, 0, g.Woken(), "it wakes")
}

func TestAClientThatDidNotGetThroughSaysNothingOfItsDesktop(t *testing.T) {
	g := newGateway(t)
	d := newSelkies2(t, webSockets)
	g.Wakes(d.Server)
	expectClosed(t, g.dial(webRTC, g.As(fromPage)), 1011, "409")
	for _, a := range g.Written() {
		assert.Empty(t, a.Protocol, "recorded as")
	}
}

func TestAFrameThatIsAnsweredGivesItsPlaceBack(t *testing.T) {
	g := newGateway(t, func(c *config.Config) {
		c.Limits.HeldConnectionsPerSession, c.Limits.HoldHTTP.Duration = 1, 2*time.Second
	})
	silent := make(chan struct{})
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, "<html>it goes on")
			_ = http.NewResponseController(w).Flush()
			<-silent
		case "/never":
			<-silent
		}
	}))
	defer desktop.Close()
	defer close(silent)
	g.Wakes(desktop)
	for _, path := range []string{"/", "/never"} {
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Front.URL+path, nil)
		require.NoError(t, err)
		r.Host, r.Header = g.Host, g.As(framing)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}()
		eventually.True(g.T, "another request finds a place beside "+path, func() bool {
			return g.do(http.MethodGet, "/app.js", g.As(fetching)).code == 200
		})
		leave()
		<-done
	}
}
