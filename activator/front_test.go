package activator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
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
	if err != nil {
		t.Fatal(err)
	}
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
	g.wakes(f.Server)
	held := g.dial("/websockets", g.as(fromPage))
	say(t, held, "SETTINGS,{}")
	g.eventually("it was asked more than once", func() bool { return f.asked.Load() > 2 })
	again := g.dial("/websockets", g.as(fromPage)) // nobody is refused meanwhile
	f.starting.Store(0)
	expectEcho(t, held, "SETTINGS,{}")
	say(t, again, "cr")
	expectEcho(t, again, "cr")

	// From now on it is known to be there, and means it.
	f.starting.Store(http.StatusNotFound)
	expectClosed(t, g.dial("/elsewhere", g.as(fromPage)), 1011, "404 Not Found")
	g.expectUpgradeRefused("/elsewhere", http.StatusNotFound)
	// The next pod starts like this one.
	g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
	next := podOf(g.owned, f.Server)
	next.UID = "q"
	g.Directory.SetPod(next)
	held = g.dial("/websockets", g.as(fromPage))
	say(t, held, "cr")
	f.starting.Store(0)
	expectEcho(t, held, "cr")
}

func TestA404ThatStaysIsToldInTheEnd(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldTime.Duration = 300 * time.Millisecond })
	f := newFront(t, http.StatusNotFound, newDesktop(t))
	g.wakes(f.Server)
	expectClosed(t, g.dial("/websockify", g.as(fromPage)), 1011, "404 Not Found")
	g.expectRefusals(metrics.RefusedDesktopRejected, 1)
}

func TestTheFrameIsNotShownWhatAWebServerSaysBeforeItsDesktopIsThere(t *testing.T) {
	for _, starting := range []int{502, 503, 504} {
		g := newGateway(t)
		f := newFront(t, starting, newDesktop(t))
		g.wakes(f.Server)
		framed := make(chan answer, 1)
		go func() { framed <- g.do(http.MethodGet, "/", g.as(framing)) }()
		g.eventually("it was asked more than once", func() bool { return f.asked.Load() > 1 })
		// A program gets the answer as it is.
		if got := g.do(http.MethodGet, "/state", g.as(fetching)); got.code != starting {
			t.Errorf("a program got %d, want %d", got.code, starting)
		}
		f.starting.Store(0)
		if got := <-framed; got.code != 200 || got.body != "desktop GET / cookies:" {
			t.Errorf("the frame got %d %s", got.code, got.body)
		}
		g.eventually("all places are given back", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 0 })
	}
}

func TestTheFrameWaitsForItsDocumentNoLongerThanARequestIsHeld(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 600 * time.Millisecond })
	f := newFront(t, http.StatusBadGateway, newDesktop(t))
	g.wakes(f.Server)
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.code != http.StatusBadGateway {
		t.Errorf("the frame got %d", got.code)
	}
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.front.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Header = g.host, g.as(framing)
	time.AfterFunc(100*time.Millisecond, leave)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("who left was answered")
	}
	g.eventually("who left waits no longer", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 0 })
}

// twoModes is a Selkies 2 in the mode that it says.
func twoModes(t *testing.T, mode string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/status":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = fmt.Fprintf(w, `{"current_mode": %q, "available_modes": ["websockets", "webrtc"], "enable_dual_mode": true}`, mode)
		case webSockets, webRTC:
			http.Error(w, "inactive", http.StatusConflict)
		default:
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "client")
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestWhichModeItIsInIsSaidForADesktopThatStarts(t *testing.T) {
	const path = "/api/status"
	named := func(p v1alpha1.StreamingProtocol) func(*v1alpha1.VDISession) {
		return func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p} }
	}
	short := func(c *config.Config) { c.Limits.HoldHTTP.Duration = 50 * time.Millisecond }
	sleeps := func(g *gateway) {
		g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
		g.sleeps(lifecycle.ReasonDisconnected, "")
	}
	g := newGateway(t, short)
	if got := g.do(http.MethodGet, path, g.as(fetching)); got.code != http.StatusServiceUnavailable {
		t.Errorf("a mode that nobody knows: %d %s", got.code, got.body)
	}
	g.change(named(v1alpha1.ProtocolSelkies2WebRTC))
	if got := g.do(http.MethodGet, path, g.as(fetching)); got.code != 200 || got.body != `{"current_mode":"webrtc"}` || got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the template's mode: %d %s %v", got.code, got.body, got.header)
	}
	if g.woken() == 0 {
		t.Error("who asks for the mode wakes nothing")
	}
	g.change(named(v1alpha1.ProtocolAuto))
	g.wakes(twoModes(t, "webrtc"))
	said := g.do(http.MethodGet, path, g.as(fetching))
	sleeps(g)
	if got := g.do(http.MethodGet, path, g.as(fetching)); got.code != 200 || got.body != said.body {
		t.Errorf("its last word: %d %s, want %s", got.code, got.body, said.body)
	}
	// It comes up in the other mode: what was said is forgotten where it shows.
	g.wakes(twoModes(t, "websockets"))
	expectClosed(t, g.dial(webRTC, g.as(fromPage)), 1011, "409")
	sleeps(g)
	if got := g.do(http.MethodGet, path, g.as(fetching)); got.code != http.StatusServiceUnavailable {
		t.Errorf("a mode in which it refused: %d %s", got.code, got.body)
	}
	g.change(named(v1alpha1.ProtocolWebSocket))
	if got := g.do(http.MethodGet, path, g.as(fetching)); got.code != http.StatusServiceUnavailable {
		t.Errorf("another desktop's own address: %d %s", got.code, got.body)
	}
}
