package activator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
)

// told is what an open page is told, one status for each change.
type told struct {
	t      testing.TB
	events chan page.Status
	close  func()
}

// open opens a page's stream.
func (g *gateway) open() *told {
	g.T.Helper()
	return g.openAs("")
}

// openAs opens the stream of a page of that name.
func (g *gateway) openAs(name string) *told {
	g.T.Helper()
	return g.openBy(g.As(fetching), name)
}

// openBy is openAs by a visitor with that header. What follows the name are further parameters.
func (g *gateway) openBy(who http.Header, name string) *told {
	g.T.Helper()
	ctx, cancel := context.WithCancel(g.T.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Front.URL+page.EventsPath+"?at=/&page="+name, nil)
	require.NoError(g.T, err)
	req.Host, req.Header = host, who
	resp, err := http.DefaultClient.Do(req)
	require.NoError(g.T, err)
	require.Equal(g.T, http.StatusOK, resp.StatusCode)
	require.Equal(g.T, "text/event-stream", resp.Header.Get("Content-Type"), "the stream answered %s", resp.Status)
	o := &told{t: g.T, events: make(chan page.Status, 100), close: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(o.events)
		defer func() { _ = resp.Body.Close() }()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && data != "-" { // a beat
				var s page.Status
				assert.NoError(g.T, json.Unmarshal([]byte(data), &s), data)
				o.events <- s
			}
		}
	}()
	g.T.Cleanup(func() { cancel(); <-done })
	return o
}

// until reads on until the page is told so.
func (o *told) until(what string, is func(page.Status) bool) page.Status {
	o.t.Helper()
	var last page.Status
	for timeout := time.After(enough); ; {
		select {
		case s, ok := <-o.events:
			require.True(o.t, ok, "the stream ended before %s; last it told %+v", what, last)
			if last = s; is(s) {
				return s
			}
		case <-timeout:
			o.t.Fatalf("not told within %s: %s; last %+v", enough, what, last)
		}
	}
}

func in(state page.State) func(page.Status) bool {
	return func(s page.Status) bool { return s.State == state }
}

func atStep(step page.Step) func(page.Status) bool {
	return func(s page.Status) bool { return s.Step == step }
}

func TestAPageIsToldOfEachStepOfAStart(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	tab.until("waking", atStep(page.StepWaking))
	eventually.Equal(g.T, "the open page wakes it", 1, g.Woken)
	g.Change(func(s *v1alpha1.VDISession) { s.Status.StartTime = &metav1.MicroTime{Time: time.Now()} })
	g.Pod(func(*corev1.Pod) {})
	tab.until("looking for a place", atStep(page.StepPlace))
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonWaitingForGPU, Message: "Waiting for a GPU: no node has one free."}}
		s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "no node has one free."}
	})
	tab.until("waiting for a GPU", func(s page.Status) bool { return s.Summary == "Waiting for a GPU." && s.Detail != "" })
	g.Pod(func(p *corev1.Pod) { p.Spec.NodeName = "n" })
	tab.until("preparing", atStep(page.StepImage))
	started := func(p *corev1.Pod) {
		p.Spec.NodeName = "n"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
	g.Pod(started)
	tab.until("starting", atStep(page.StepStarting))
	g.Wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	tab.close()
	eventually.Equal(g.T, "the page is counted out", 0, value(g.Metrics.Pages))
}

func TestAnOpenPageKeepsItsDesktopWanted(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	g.Wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	before := g.Woken()
	g.Sleeps(lifecycle.ReasonDisconnected, "")
	eventually.Equal(g.T, "woken again, since somebody is there", before+1, g.Woken)
	g.Wakes(newDesktop(t))
	tab.until("ready again", in(page.StateReady))
}

func TestAnOpenPageDoesNotWakeWhatAClockPutToSleep(t *testing.T) {
	for reason, state := range map[lifecycle.Reason]page.State{
		lifecycle.ReasonIdle: page.StateAsleep, lifecycle.ReasonMaxDuration: page.StateAsleep, lifecycle.ReasonStartup: page.StateFailed,
	} {
		t.Run(string(reason), func(t *testing.T) {
			g := newGateway(t)
			g.Wakes(newDesktop(t))
			tab := g.open()
			tab.until("ready", in(page.StateReady))
			before := g.Woken()
			g.Sleeps(reason, "because")
			tab.until(string(state), in(state))
			// What the desktop's client does then by itself wakes nobody either.
			for _, kind := range []http.Header{framing, fetching} {
				assert.Equal(t, 503, g.do(http.MethodGet, "/", g.As(kind)).code, "%v", kind)
			}
			if got := g.do(http.MethodGet, "/?vdi_refresh=1", g.As(navigating)); got.code != 200 || !strings.Contains(got.body, `href="/"`) {
				t.Errorf("a page without script got %d:\n%s", got.code, got.body)
			}
			other := g.open()
			other.until(string(state), in(state))
			n := g.Woken()
			assert.Equal(t, before, n, "woken %d times by nobody", n-before)

			got := g.do(http.MethodPost, page.WakePath, g.As(fromPage))
			require.Equal(t, 204, got.code)
			assert.Equal(t, page.StateWaiting, g.status().State, "the button got %d %s", got.code, got.body)
			tab.until("waiting", in(page.StateWaiting))
			other.until("waiting", in(page.StateWaiting))
			n = g.Woken()
			assert.Equal(t, before+1, n, "the button woke it %d times", n-before)
			g.Wakes(newDesktop(t))
			tab.until("ready", in(page.StateReady))
		})
	}
}

func TestTheWakeButtonIsAPost(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, page.WakePath, g.As(navigating))
	require.Equal(t, 405, got.code)
	assert.Equal(t, "POST", got.header.Get("Allow"))
	g.expectNothingWritten()
}

func TestAPageIsWarnedOfTheNextSleep(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	g.Wakes(newDesktop(t))
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(time.Minute), DisconnectTimeout: v1alpha1.NewDuration(time.Minute)}
		s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: &metav1.MicroTime{Time: time.Now()}}
	})
	s := tab.until("a sleep is due", func(s page.Status) bool { return s.Sleep != nil })
	if s.Sleep.Reason != lifecycle.ReasonIdle || s.Sleep.WarnMillis != 15_000 || s.Sleep.InMillis > 60_000 || s.ReportMillis != 15_000 {
		t.Errorf("told %+v", s.Sleep)
	}
}

func TestAPageIsToldWhenItsDesktopGoesAndComes(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	g.Wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	g.DropPod()
	tab.until("waiting", in(page.StateWaiting))
	g.Wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	g.Change(func(s *v1alpha1.VDISession) { s.Status.StartTime = nil })
	tab.until("off", in(page.StateOff))
}

func TestOpenPagesAreBounded(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.PagesPerSession = 2 })
	g.open().until("told", atStep(page.StepWaking))
	second := g.open()
	second.until("told", atStep(page.StepWaking))
	got := g.do(http.MethodGet, page.EventsPath, g.As(fetching))
	require.Equal(t, 503, got.code)
	assert.Contains(t, got.body, "too many pages", "the third")
	g.ExpectRefusals(closing.Pages, 1)
	if got := g.status(); got.State != page.StateWaiting {
		t.Errorf("it may still ask, and is told %+v", got)
	}
	second.close()
	eventually.Equal(g.T, "a place is free", 1, value(g.Metrics.Pages))
	g.open().until("told", atStep(page.StepWaking))
}

func TestAPageIsSentElsewhereAtShutdown(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	tab.until("told", atStep(page.StepWaking))
	g.StopHolding()
	eventually.Equal(g.T, "the stream ends", 0, value(g.Metrics.Pages))
	assert.Equal(t, 503, g.do(http.MethodGet, page.EventsPath, g.As(fetching)).code, "a stream that is opened now")
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	g := newGateway(t)
	g.open().until("told", atStep(page.StepWaking))
	eventually.True(g.T, "the wake has come by the watch, which would bring the session back", func() bool {
		view, ok := g.Directory.View(alice)
		return ok && view.Session.Status.Activity != nil
	})
	g.Directory.DropSession(alice)
	eventually.Equal(g.T, "the stream ends", 0, value(g.Metrics.Pages))
}

func TestADesktopThatForbidsFramesIsShownInOursAndNowhereElse(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	assert.Equal(t, "SAMEORIGIN", g.do(http.MethodGet, "/", g.As(framing)).header.Get("X-Frame-Options"), "in our frame")
	assert.Equal(t, "DENY", g.do(http.MethodGet, "/page", g.As(fetching)).header.Get("X-Frame-Options"), "elsewhere")
}

func TestOurMarkersNeverReachTheDesktop(t *testing.T) {
	g := newGateway(t)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }))
	defer desktop.Close()
	g.Wakes(desktop)
	insecure := http.Header{"Accept": {"text/html,*/*"}}
	assert.Equal(t, "/desk?a=%20&b", g.do(http.MethodGet, "/desk?a=%20&vdi_frame=1&b", g.As(insecure)).body, "the desktop was asked")
	got := g.do(http.MethodGet, "/desk?a=%20", g.As(insecure))
	require.Contains(t, got.body, `src="/desk?a=%20&amp;vdi_frame=1"`)
	assert.Contains(t, got.body, "marksAddresses&#34;:true", "the page on an insecure host does not mark its frame")
}

func TestADesktopCannotTakeThePlaceOfItsPage(t *testing.T) {
	g := newGateway(t)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Service-Worker-Allowed", "/")
		w.WriteHeader(http.StatusOK)
	}))
	defer desktop.Close()
	g.Wakes(desktop)
	worker := with(fetching, "Service-Worker", "script")
	assert.Equal(t, 403, g.do(http.MethodGet, "/sw.js", g.As(worker)).code, "a worker for the whole host")
	got := g.do(http.MethodGet, "/app/sw.js", g.As(worker))
	require.Equal(t, 200, got.code)
	assert.Empty(t, got.header.Get("Service-Worker-Allowed"), "a worker for its own folder, allowed")
}

// clientDesktop is a desktop with a client of some files.
func clientDesktop(t *testing.T, version string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
		case "/app.js":
			w.Header().Set("Content-Type", "text/javascript")
		default:
			w.Header().Set("Content-Type", "application/json")
		}
		_, _ = fmt.Fprintf(w, "%s of %s", r.URL.Path, version)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestAClientLoadsWhileItsDesktopStillStarts(t *testing.T) {
	g := newGateway(t)
	first := clientDesktop(t, "one")
	g.Wakes(first)
	for _, path := range []string{"/", "/app.js", "/state"} {
		g.do(http.MethodGet, path, g.As(framing))
	}
	gone := func() {
		g.DropPod()
		g.Sleeps(lifecycle.ReasonDisconnected, "")
	}
	gone()
	tab := g.open()
	s := tab.until("the frame may be loaded", func(s page.Status) bool { return s.Early })
	require.Equal(t, page.StateWaiting, s.State)
	assert.NotEmpty(t, s.Image, "told %+v", s)
	got := g.do(http.MethodGet, "/", g.As(framing))
	require.Equal(t, 200, got.code)
	assert.Equal(t, "/ of one", got.body, "the frame")
	got = g.do(http.MethodGet, "/app.js", g.As(fetching))
	require.Equal(t, 200, got.code)
	assert.Equal(t, "/app.js of one", got.body, "its script")
	assert.EqualValues(t, 2, testutil.ToFloat64(g.Metrics.CacheServed.WithLabelValues(metrics.CacheHit)), "hits were counted")
	held := make(chan answer, 1)
	go func() { held <- g.do(http.MethodGet, "/state", g.As(fetching)) }() // no part of the client
	eventually.Equal(g.T, "held", 1, value(g.Metrics.Held))

	// The desktop that comes answers for itself, the same image or not.
	g.Image = "desktop@sha256:bbbb"
	g.Wakes(clientDesktop(t, "two"))
	assert.Equal(t, "/state of two", (<-held).body, "the held request")
	ready := tab.until("ready, with another image", in(page.StateReady))
	assert.NotEqual(t, s.Image, ready.Image, "the page is not told that its client is of another image")
	assert.Equal(t, "/ of two", g.do(http.MethodGet, "/", g.As(framing)).body, "the frame")
}

func TestAClientIsLoadedPastADesktopThatStandsStillWhileNobodyLooks(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.VDISession)
		kept   bool
	}{
		"Selkies 1.6, as the template says": {func(s *v1alpha1.VDISession) {
			s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolSelkies1}
		}, true},
		"Selkies 1.6, as its client showed": {func(s *v1alpha1.VDISession) {
			s.Status.Activity = &v1alpha1.SessionActivity{Protocol: v1alpha1.ProtocolSelkies1}
		}, true},
		"nothing is known": {func(*v1alpha1.VDISession) {}, false},
		"another": {func(s *v1alpha1.VDISession) {
			s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolLinuxServer}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			var asked atomic.Int32
			desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = fmt.Fprintf(w, "answer %d", asked.Add(1))
			}))
			defer desktop.Close()
			g.Change(tc.change)
			g.Wakes(desktop)
			g.Change(func(s *v1alpha1.VDISession) { s.Status.ReadyTime = &metav1.MicroTime{Time: time.Now()} })
			g.do(http.MethodGet, "/", g.As(framing))
			want := "answer 2"
			if tc.kept {
				want = "answer 1"
			}
			assert.Equal(t, want, g.do(http.MethodGet, "/", g.As(framing)).body, "a visitor of the live desktop")
			got := g.do(http.MethodGet, "/", g.As(with(framing, "Cache-Control", "no-cache")))
			require.True(t, strings.HasPrefix(got.body, "answer"))
			assert.NotEqual(t, "answer 1", got.body, "who reloads past all caches")
		})
	}
}

func TestWhatIsKeptOfASelkies16IsRenewedOnceItsNextPodHasAViewer(t *testing.T) {
	g := newGateway(t)
	g.Speaks(v1alpha1.ProtocolSelkies1)
	version := atomic.Pointer[string]{}
	serves := func(v string) { version.Store(&v) }
	echo := newDesktop(t)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			echo.Config.Handler.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, *version.Load()+r.Header.Get("Cookie"))
	}))
	defer desktop.Close()
	serves("one")
	g.Wakes(desktop)
	g.do(http.MethodGet, "/", g.As(framing))
	g.DropPod()
	next := gatewaytest.PodOf(g.Owned, desktop)
	next.Name, next.UID, next.Spec.Containers[0].Image = "q", "q", g.Image
	g.SetPod(next)
	serves("two")
	assert.Equal(t, "one", g.do(http.MethodGet, "/", g.As(framing)).body, "before it has a viewer")
	viewer := g.dial("/webrtc/signalling/", g.As(fromPage))
	say(t, viewer, "HELLO 1")
	eventually.True(g.T, "it is renewed", func() bool {
		view, _ := g.Directory.View(alice)
		return len(g.Clients.Former(view)) == 0
	})
	_ = viewer.Close()
	eventually.True(g.T, "the viewer is gone", func() bool { return !g.Sockets().Viewed(alice) })
	assert.Equal(t, "two", g.do(http.MethodGet, "/", g.As(framing)).body, "after it had one")
}

func TestWithoutACacheEverythingWaits(t *testing.T) {
	g := newGateway(t, func(c *config.Config) {
		c.Limits.ClientCacheBytes = 0
		c.Limits.HoldHTTP.Duration = 20 * time.Millisecond
	})
	g.Wakes(clientDesktop(t, "one"))
	g.do(http.MethodGet, "/", g.As(framing))
	g.DropPod()
	got := g.do(http.MethodGet, "/", g.As(framing))
	require.Equal(t, 503, got.code)
	assert.Contains(t, got.body, `data-vdi="nothing"`)
}
