package activator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Pages' names.
var (
	one, two = strings.Repeat("1", 32), strings.Repeat("2", 32)
	yours    = func(s page.Status) bool {
		return s.State == page.StateReady && s.Viewing == viewer.ViewingYours
	}
	elsewhere = in(page.StateElsewhere)
)

// WriteViewer is the API server: what is recorded comes back by the watch.
func (g *gateway) WriteViewer(_ context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	if key != alice {
		return errors.New("another session's viewer")
	}
	if g.api != nil {
		return g.api.WriteViewer(context.Background(), key, v, seen)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refusing != nil:
		return g.refusing
	case seen != "" && seen != g.session.ResourceVersion:
		return record.ErrChanged
	}
	g.viewed = append(g.viewed, v)
	g.changeLocked(func(s *v1alpha1.VDISession) {
		if s.Status.Activity == nil {
			s.Status.Activity = &v1alpha1.SessionActivity{}
		}
		s.Status.Activity.Viewer = v
	})
	return nil
}

// another is a second replica of the activator.
func (g *gateway) another() *gateway {
	g.t.Helper()
	r := newGatewayAs(g.t, g.signer, g.how...)
	g.mu.Lock()
	defer g.mu.Unlock()
	r.api, g.replicas = g, append(g.replicas, r)
	r.Directory.SetSession(g.session)
	return r
}

// single is a gateway whose desktop has room for one viewer, and is there.
func single(t *testing.T) *gateway {
	t.Helper()
	g := newGateway(t)
	g.speaks(v1alpha1.ProtocolSelkies1)
	g.wakes(newDesktop(t))
	return g
}

func (g *gateway) speaks(p v1alpha1.StreamingProtocol) {
	g.change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p} })
}

// records is how often a viewer was recorded.
func (g *gateway) records() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.viewed)
}

func (g *gateway) take(name string) answer {
	g.t.Helper()
	return g.do(http.MethodPost, page.TakePath+"?page="+name, g.as(fromPage))
}

// asks is what a page is told that asks.
func (g *gateway) asks(name string) page.Status {
	g.t.Helper()
	got := g.do(http.MethodGet, page.StatusPath+"?at=/&page="+name, g.as(fetching))
	var s page.Status
	if err := json.Unmarshal([]byte(got.body), &s); err != nil {
		g.t.Fatalf("%v: %d %s", err, got.code, got.body)
	}
	return s
}

func TestASecondPageIsToldThatTheDesktopIsOpenElsewhereAndTakesItOver(t *testing.T) {
	for name, replicas := range map[string]int{"at one replica": 1, "at two": 2} {
		t.Run(name, func(t *testing.T) {
			g := single(t)
			r := g
			if replicas == 2 {
				r = g.another()
				r.pods(g)
			}
			first := g.openAs(one)
			first.until("it has the view", yours)
			second := r.openAs(two)
			s := second.until("it is told", elsewhere)
			if s.Message == "" || s.Sleep != nil {
				t.Errorf("told %+v", s)
			}
			if n := g.records(); n != 1 {
				t.Errorf("%d records of one claim", n)
			}

			if got := r.take(two); got.code != 204 {
				t.Fatalf("the button got %d %s", got.code, got.body)
			}
			second.until("it has the view", yours)
			first.until("it is told", elsewhere)
			if got := g.take(one); got.code != 204 {
				t.Fatalf("the other one's button got %d %s", got.code, got.body)
			}
			first.until("it has the view again", yours)
			second.until("it is told", elsewhere)
			taken := testutil.ToFloat64(g.Metrics.Takeovers)
			if r != g {
				taken += testutil.ToFloat64(r.Metrics.Takeovers)
			}
			if taken != 2 || g.records() != 3 {
				t.Errorf("%v takeovers, %d records", taken, g.records())
			}
			if got := g.take(one); got.code != 204 || g.records() != 3 {
				t.Errorf("who has it and takes it again got %d, %d records", got.code, g.records())
			}
		})
	}
}

// pods gives this replica the pods of another one.
func (g *gateway) pods(other *gateway) {
	view, _ := other.Directory.View(alice)
	g.Directory.SetPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: view.Pod.Name, UID: view.Pod.UID, Labels: map[string]string{v1alpha1.LabelSession: alice.Name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: view.Pod.Image,
			Ports: []corev1.ContainerPort{{ContainerPort: view.Pod.Port}}}}},
		Status: corev1.PodStatus{PodIP: view.Pod.IP},
	})
}

func TestWhoWakesADesktopSeesItThere(t *testing.T) {
	g := single(t)
	office := g.openAs(one)
	office.until("it shows it", yours)
	g.sleeps(lifecycle.ReasonIdle, "")
	office.until("asleep", in(page.StateAsleep))
	// At home, by opening it.
	g.do(http.MethodGet, "/", g.as(navigating))
	home := g.openAs(two)
	home.until("it waits", func(s page.Status) bool { return s.State == page.StateWaiting && s.Viewing == viewer.ViewingYours })
	office.until("it is told", elsewhere)
	g.wakes(newDesktop(t))
	home.until("it shows it", yours)

	g.sleeps(lifecycle.ReasonIdle, "")
	office.until("asleep", in(page.StateAsleep))
	home.until("asleep", in(page.StateAsleep))
	// By the button, in the office.
	if got := g.do(http.MethodPost, page.WakePath+"?page="+one, g.as(fromPage)); got.code != 204 {
		t.Fatalf("%d %s", got.code, got.body)
	}
	g.wakes(newDesktop(t))
	office.until("it shows it", yours)
	home.until("it is told", elsewhere)
}

func TestDesktopsThatTakeSeveralViewersAreLeftAlone(t *testing.T) {
	for _, p := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolSelkies2WebRTC, v1alpha1.ProtocolSelkies2WebSockets, v1alpha1.ProtocolLinuxServer, v1alpha1.ProtocolWebSocket, v1alpha1.ProtocolAuto, ""} {
		g := newGateway(t)
		g.speaks(p)
		g.wakes(newDesktop(t))
		for _, name := range []string{one, two} {
			if s := g.openAs(name).until("ready", in(page.StateReady)); s.Viewing != viewer.ViewingFree {
				t.Errorf("%s: told %+v", p, s)
			}
		}
		if got := g.take(two); got.code != 204 || g.records() != 0 {
			t.Errorf("%s: the button got %d, %d records", p, got.code, g.records())
		}
		g.dial("/websockify", g.as(fromPage))
		if n := g.records(); n != 0 {
			t.Errorf("%s: %d records", p, n)
		}
	}
}

func TestUnderAutoADesktopIsKnownByItsFirstClientAtEveryReplica(t *testing.T) {
	g := newGateway(t)
	r := g.another()
	g.wakes(newDesktop(t))
	tab := r.openAs(one)
	tab.until("ready", in(page.StateReady))
	g.dial("/webrtc/signalling/", g.as(fromPage))
	tab.until("it has the view", yours)
	g.openAs(two).until("it is told", elsewhere)
	for range 5 {
		g.dial("/webrtc/signalling/", g.as(fromPage))
	}
	if n := g.records(); n != 1 {
		t.Errorf("%d records, want a claim", n)
	}
	// Its template has another desktop by now.
	time.Sleep(wake.ReportPause)
	g.dial("/api/webrtc/signaling/", g.as(fromPage))
	tab.until("it is free", func(s page.Status) bool { return s.Viewing == viewer.ViewingFree })
}

func TestATakeoverEndsTheFormerViewersConnectionsAtEveryReplica(t *testing.T) {
	g := newGateway(t)
	g.speaks(v1alpha1.ProtocolSelkies1)
	r := g.another()
	tab := g.openAs(one)
	tab.until("it has the view", func(s page.Status) bool { return s.Viewing == viewer.ViewingYours })
	var before []*websocket.Conn
	for _, at := range []*gateway{g, r} {
		ws := at.dial("/webrtc/signalling/", at.as(fromPage))
		say(t, ws, "HELLO 1")
		before = append(before, ws)
	}
	other := g.dial("/websockify", g.as(fromPage)) // no viewer's
	if got := r.take(two); got.code != 204 {
		t.Fatalf("%d %s", got.code, got.body)
	}
	after := g.dial("/webrtc/signalling/", g.as(fromPage))
	for _, ws := range before {
		expectClosed(t, ws, 4409, "used in another tab")
	}
	g.expectRefusals(closing.UsedElsewhere, 1)
	r.expectRefusals(closing.UsedElsewhere, 1)
	for _, ws := range []*websocket.Conn{after, other} {
		_ = ws.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		var closed *websocket.CloseError
		if _, _, err := ws.ReadMessage(); errors.As(err, &closed) {
			t.Errorf("ended with %v", err)
		}
	}
	if s := g.asks(one); s.State != page.StateElsewhere {
		t.Errorf("the former page is told %s", s.State)
	}
}

func TestThePageOfADesktopIsShownThoughNothingCanBeRecorded(t *testing.T) {
	g := single(t)
	g.refusing = errors.New("the API server is down")
	tab := g.openAs(one)
	tab.until("it shows it", yours)
	if s := g.asks(two); s.Viewing != viewer.ViewingYours {
		t.Errorf("a page that asks is told %+v", s)
	}
	if got := g.take(two); got.code != 503 {
		t.Errorf("the button got %d", got.code)
	}
	g.mu.Lock()
	g.refusing = nil
	g.mu.Unlock()
	g.eventually("it is recorded after all", func() bool { return g.records() > 0 })
}

func TestAPageThatMayNotBeToldAsksAndHasTheViewTheSame(t *testing.T) {
	g := single(t)
	if s := g.asks(one); !yours(s) {
		t.Errorf("told %+v", s)
	}
	if s := g.asks(two); s.State != page.StateElsewhere {
		t.Errorf("told %+v", s)
	}
	if s := g.asks(one); !yours(s) || g.records() != 1 {
		t.Errorf("told %+v, %d records", s, g.records())
	}
	// Without a name it is nobody's page: it is told how the desktop stands, and has nothing.
	if s := g.asks(""); s.State != page.StateReady || s.Viewing != viewer.ViewingOpen {
		t.Errorf("told %+v", s)
	}
}

func TestTakingOverIsAPostOfAPageAndBounded(t *testing.T) {
	g := single(t)
	if got := g.do(http.MethodGet, page.TakePath+"?page="+one, g.as(navigating)); got.code != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("%d", got.code)
	}
	for _, name := range []string{"", "x", one + "1", strings.ToUpper(strings.Repeat("a", 32))} {
		if got := g.take(name); got.code != 400 {
			t.Errorf("%q got %d", name, got.code)
		}
	}
	if n := g.records(); n != 0 {
		t.Errorf("%d records", n)
	}
	var last answer
	for i := range 2 * viewer.WriteBurst {
		if last = g.take(fmt.Sprintf("%032x", i)); last.code != 204 {
			break
		}
	}
	if last.code != 429 || last.header.Get("Retry-After") == "" || g.records() > viewer.WriteBurst+2 {
		t.Errorf("%d %v, %d records", last.code, last.header, g.records())
	}
}

func TestWhoViewsNeitherWakesNorCountsAsActivity(t *testing.T) {
	g := single(t)
	g.sleeps(lifecycle.ReasonIdle, "")
	before := g.woken()
	if got := g.take(one); got.code != 204 {
		t.Errorf("%d %s", got.code, got.body)
	}
	g.openAs(two).until("asleep", in(page.StateAsleep))
	if n := g.woken(); n != before {
		t.Errorf("woken %d times", n-before)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.writes {
		if !a.Input.IsZero() {
			t.Errorf("input was written: %+v", a)
		}
	}
}
