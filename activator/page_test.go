package activator

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
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
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
	g.t.Helper()
	return g.openAs("")
}

// openAs opens the stream of a page of that name.
func (g *gateway) openAs(name string) *told {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.front.URL+page.EventsPath+"?at=/&page="+name, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Host, req.Header = host, g.as(fetching)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		g.t.Fatalf("the stream answered %s", resp.Status)
	}
	o := &told{t: g.t, events: make(chan page.Status, 100), close: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(o.events)
		defer func() { _ = resp.Body.Close() }()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var s page.Status
				if err := json.Unmarshal([]byte(data), &s); err != nil {
					g.t.Errorf("%s: %v", data, err)
				}
				o.events <- s
			}
		}
	}()
	g.t.Cleanup(func() { cancel(); <-done })
	return o
}

// until reads on until the page is told so.
func (o *told) until(what string, is func(page.Status) bool) page.Status {
	o.t.Helper()
	var last page.Status
	for timeout := time.After(enough); ; {
		select {
		case s, ok := <-o.events:
			if !ok {
				o.t.Fatalf("the stream ended before %s; last it told %+v", what, last)
			}
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

// pod is the session's, before it has an address.
func (g *gateway) pod(change func(*corev1.Pod)) {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: "p", UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: g.image, Ports: []corev1.ContainerPort{{ContainerPort: 1}}}}
	change(p)
	g.Directory.SetPod(p)
}

func TestAPageIsToldOfEachStepOfAStart(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	tab.until("waking", atStep(page.StepWaking))
	g.eventually("the open page wakes it", func() bool { return g.woken() == 1 })
	g.change(func(s *v1alpha1.VDISession) { s.Status.StartTime = &metav1.MicroTime{Time: time.Now()} })
	g.pod(func(*corev1.Pod) {})
	tab.until("looking for a place", atStep(page.StepPlace))
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonWaitingForGPU, Message: "Waiting for a GPU: no node has one free."}}
		s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "no node has one free."}
	})
	tab.until("waiting for a GPU", func(s page.Status) bool { return s.Summary == "Waiting for a GPU." && s.Detail != "" })
	g.pod(func(p *corev1.Pod) { p.Spec.NodeName = "n" })
	tab.until("preparing", atStep(page.StepImage))
	started := func(p *corev1.Pod) {
		p.Spec.NodeName = "n"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
	g.pod(started)
	tab.until("starting", atStep(page.StepStarting))
	g.wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	tab.close()
	g.eventually("the page is counted out", func() bool { return testutil.ToFloat64(g.Metrics.Pages) == 0 })
}

func TestAnOpenPageKeepsItsDesktopWanted(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	g.wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	before := g.woken()
	g.sleeps(lifecycle.ReasonDisconnected, "")
	g.eventually("woken again, since somebody is there", func() bool { return g.woken() == before+1 })
	g.wakes(newDesktop(t))
	tab.until("ready again", in(page.StateReady))
}

func TestAnOpenPageDoesNotWakeWhatAClockPutToSleep(t *testing.T) {
	for reason, state := range map[lifecycle.Reason]page.State{
		lifecycle.ReasonIdle: page.StateAsleep, lifecycle.ReasonMaxDuration: page.StateAsleep, lifecycle.ReasonStartup: page.StateFailed,
	} {
		t.Run(string(reason), func(t *testing.T) {
			g := newGateway(t)
			g.wakes(newDesktop(t))
			tab := g.open()
			tab.until("ready", in(page.StateReady))
			before := g.woken()
			g.sleeps(reason, "because")
			tab.until(string(state), in(state))
			// What the desktop's client does then by itself wakes nobody either.
			for _, kind := range []http.Header{framing, fetching} {
				if got := g.do(http.MethodGet, "/", g.as(kind)); got.code != 503 {
					t.Errorf("%v got %d", kind, got.code)
				}
			}
			if got := g.do(http.MethodGet, "/?vdi_refresh=1", g.as(navigating)); got.code != 200 || !strings.Contains(got.body, `href="/"`) {
				t.Errorf("a page without script got %d:\n%s", got.code, got.body)
			}
			other := g.open()
			other.until(string(state), in(state))
			if n := g.woken(); n != before {
				t.Errorf("woken %d times by nobody", n-before)
			}

			got := g.do(http.MethodPost, page.WakePath, g.as(fromPage))
			if got.code != 204 || g.status().State != page.StateWaiting {
				t.Errorf("the button got %d %s", got.code, got.body)
			}
			tab.until("waiting", in(page.StateWaiting))
			other.until("waiting", in(page.StateWaiting))
			if n := g.woken(); n != before+1 {
				t.Errorf("the button woke it %d times", n-before)
			}
			g.wakes(newDesktop(t))
			tab.until("ready", in(page.StateReady))
		})
	}
}

func TestTheWakeButtonIsAPost(t *testing.T) {
	g := newGateway(t)
	if got := g.do(http.MethodGet, page.WakePath, g.as(navigating)); got.code != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("%d", got.code)
	}
	g.expectNothingWritten()
}

func TestAPageIsWarnedOfTheNextSleep(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	g.wakes(newDesktop(t))
	g.change(func(s *v1alpha1.VDISession) {
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
	g.wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
	tab.until("waiting", in(page.StateWaiting))
	g.wakes(newDesktop(t))
	tab.until("ready", in(page.StateReady))
	g.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	g.change(func(s *v1alpha1.VDISession) { s.Status.StartTime = nil })
	tab.until("off", in(page.StateOff))
}

func TestOpenPagesAreBounded(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.PagesPerSession = 2 })
	g.open().until("told", atStep(page.StepWaking))
	second := g.open()
	second.until("told", atStep(page.StepWaking))
	if got := g.do(http.MethodGet, page.EventsPath, g.as(fetching)); got.code != 503 || !strings.Contains(got.body, "too many pages") {
		t.Errorf("the third got %d %s", got.code, got.body)
	}
	g.expectRefusals(closing.Pages, 1)
	if got := g.status(); got.State != page.StateWaiting {
		t.Errorf("it may still ask, and is told %+v", got)
	}
	second.close()
	g.eventually("a place is free", func() bool { return testutil.ToFloat64(g.Metrics.Pages) == 1 })
	g.open().until("told", atStep(page.StepWaking))
}

func TestAPageIsSentElsewhereAtShutdown(t *testing.T) {
	g := newGateway(t)
	tab := g.open()
	tab.until("told", atStep(page.StepWaking))
	g.StopHolding()
	g.eventually("the stream ends", func() bool { return testutil.ToFloat64(g.Metrics.Pages) == 0 })
	if got := g.do(http.MethodGet, page.EventsPath, g.as(fetching)); got.code != 503 {
		t.Errorf("a stream that is opened now got %d", got.code)
	}
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	g := newGateway(t)
	g.open().until("told", atStep(page.StepWaking))
	g.eventually("the wake has come by the watch, which would bring the session back", func() bool {
		view, ok := g.Directory.View(alice)
		return ok && view.Session.Status.Activity != nil
	})
	g.Directory.DropSession(alice)
	g.eventually("the stream ends", func() bool { return testutil.ToFloat64(g.Metrics.Pages) == 0 })
}

func TestADesktopThatForbidsFramesIsShownInOursAndNowhereElse(t *testing.T) {
	g := newGateway(t)
	g.wakes(newDesktop(t))
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("in our frame: %q", got.header.Get("X-Frame-Options"))
	}
	if got := g.do(http.MethodGet, "/page", g.as(fetching)); got.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("elsewhere: %q", got.header.Get("X-Frame-Options"))
	}
}

func TestOurMarkersNeverReachTheDesktop(t *testing.T) {
	g := newGateway(t)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }))
	defer desktop.Close()
	g.wakes(desktop)
	insecure := http.Header{"Accept": {"text/html,*/*"}}
	if got := g.do(http.MethodGet, "/desk?a=%20&vdi_frame=1&b", g.as(insecure)); got.body != "/desk?a=%20&b" {
		t.Errorf("the desktop was asked for %s", got.body)
	}
	if got := g.do(http.MethodGet, "/desk?a=%20", g.as(insecure)); !strings.Contains(got.body, `src="/desk?a=%20&amp;vdi_frame=1"`) || !strings.Contains(got.body, "marksAddresses&#34;:true") {
		t.Errorf("the page on an insecure host does not mark its frame:\n%s", got.body)
	}
}

func TestADesktopCannotTakeThePlaceOfItsPage(t *testing.T) {
	g := newGateway(t)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Service-Worker-Allowed", "/")
		w.WriteHeader(http.StatusOK)
	}))
	defer desktop.Close()
	g.wakes(desktop)
	worker := with(fetching, "Service-Worker", "script")
	if got := g.do(http.MethodGet, "/sw.js", g.as(worker)); got.code != 403 {
		t.Errorf("a worker for the whole host: %d", got.code)
	}
	if got := g.do(http.MethodGet, "/app/sw.js", g.as(worker)); got.code != 200 || got.header.Get("Service-Worker-Allowed") != "" {
		t.Errorf("a worker for its own folder: %d, allowed %q", got.code, got.header.Get("Service-Worker-Allowed"))
	}
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
	g.wakes(first)
	for _, path := range []string{"/", "/app.js", "/state"} {
		g.do(http.MethodGet, path, g.as(framing))
	}
	gone := func() {
		g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
		g.sleeps(lifecycle.ReasonDisconnected, "")
	}
	gone()
	tab := g.open()
	s := tab.until("the frame may be loaded", func(s page.Status) bool { return s.Early })
	if s.State != page.StateWaiting || s.Image == "" {
		t.Errorf("told %+v", s)
	}
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.code != 200 || got.body != "/ of one" {
		t.Errorf("the frame got %d %s", got.code, got.body)
	}
	if got := g.do(http.MethodGet, "/app.js", g.as(fetching)); got.code != 200 || got.body != "/app.js of one" {
		t.Errorf("its script got %d %s", got.code, got.body)
	}
	if hits := testutil.ToFloat64(g.Metrics.CacheServed.WithLabelValues(metrics.CacheHit)); hits != 2 {
		t.Errorf("%v hits were counted", hits)
	}
	held := make(chan answer, 1)
	go func() { held <- g.do(http.MethodGet, "/state", g.as(fetching)) }() // no part of the client
	g.eventually("held", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 1 })

	// The desktop that comes answers for itself, the same image or not.
	g.image = "desktop@sha256:bbbb"
	g.wakes(clientDesktop(t, "two"))
	if got := <-held; got.body != "/state of two" {
		t.Errorf("the held request got %s", got.body)
	}
	ready := tab.until("ready, with another image", in(page.StateReady))
	if ready.Image == s.Image {
		t.Error("the page is not told that its client is of another image")
	}
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.body != "/ of two" {
		t.Errorf("the frame got %s", got.body)
	}
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
			g.change(tc.change)
			g.wakes(desktop)
			g.change(func(s *v1alpha1.VDISession) { s.Status.ReadyTime = &metav1.MicroTime{Time: time.Now()} })
			g.do(http.MethodGet, "/", g.as(framing))
			want := "answer 2"
			if tc.kept {
				want = "answer 1"
			}
			if got := g.do(http.MethodGet, "/", g.as(framing)); got.body != want {
				t.Errorf("a visitor of the live desktop got %q, want %q", got.body, want)
			}
			if got := g.do(http.MethodGet, "/", g.as(with(framing, "Cache-Control", "no-cache"))); !strings.HasPrefix(got.body, "answer") || got.body == "answer 1" {
				t.Errorf("who reloads past all caches got %q", got.body)
			}
		})
	}
}

func TestWhatIsKeptOfASelkies16IsRenewedOnceItsNextPodHasAViewer(t *testing.T) {
	g := newGateway(t)
	g.speaks(v1alpha1.ProtocolSelkies1)
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
	g.wakes(desktop)
	g.do(http.MethodGet, "/", g.as(framing))
	g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
	next := podOf(g.owned, desktop)
	next.Name, next.UID, next.Spec.Containers[0].Image = "q", "q", g.image
	g.Directory.SetPod(next)
	serves("two")
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.body != "one" {
		t.Errorf("before it has a viewer: %q", got.body)
	}
	viewer := g.dial("/webrtc/signalling/", g.as(fromPage))
	say(t, viewer, "HELLO 1")
	g.eventually("it is renewed", func() bool {
		view, _ := g.Directory.View(alice)
		return len(g.Clients.Former(view)) == 0
	})
	_ = viewer.Close()
	g.eventually("the viewer is gone", func() bool { return !g.sockets.Viewed(alice) })
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.body != "two" {
		t.Errorf("after it had one: %q", got.body)
	}
}

func TestWithoutACacheEverythingWaits(t *testing.T) {
	g := newGateway(t, func(c *config.Config) {
		c.Limits.ClientCacheBytes = 0
		c.Limits.HoldHTTP.Duration = 20 * time.Millisecond
	})
	g.wakes(clientDesktop(t, "one"))
	g.do(http.MethodGet, "/", g.as(framing))
	g.Directory.DropPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}})
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.code != 503 || !strings.Contains(got.body, `data-vdi="nothing"`) {
		t.Errorf("%d %s", got.code, got.body)
	}
}
