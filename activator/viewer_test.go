package activator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
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
	require.NoError(g.t, json.Unmarshal([]byte(got.body), &s), "%d %s", got.code, got.body)
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
			require.NotEmpty(t, s.Message)
			assert.Nil(t, s.Sleep, "told %+v", s)
			assert.Equal(t, 1, g.records(), "records of one claim")

			got := r.take(two)
			require.Equal(t, 204, got.code, "the button got %d %s", got.code, got.body)
			second.until("it has the view", yours)
			first.until("it is told", elsewhere)
			got = g.take(one)
			require.Equal(t, 204, got.code, "the other one's button got %d %s", got.code, got.body)
			first.until("it has the view again", yours)
			second.until("it is told", elsewhere)
			taken := testutil.ToFloat64(g.Metrics.Takeovers)
			if r != g {
				taken += testutil.ToFloat64(r.Metrics.Takeovers)
			}
			require.EqualValues(t, 2, taken)
			assert.Equal(t, 3, g.records(), "takeovers, records")
			require.Equal(t, 204, g.take(one).code)
			assert.Equal(t, 3, g.records(), "who has it and takes it again, records")
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
	got := g.do(http.MethodPost, page.WakePath+"?page="+one, g.as(fromPage))
	require.Equal(t, 204, got.code, got.body)
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
			s := g.openAs(name).until("ready", in(page.StateReady))
			assert.Empty(t, s.Viewing, "%s: told %+v", p, s)
		}
		require.Equal(t, 204, g.take(two).code, p)
		assert.Equal(t, 0, g.records(), "%s: the button, records", p)
		g.dial("/websockify", g.as(fromPage))
		assert.Equal(t, 0, g.records(), "%s: records", p)
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
	assert.Equal(t, 1, g.records(), "records, want a claim")
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
	got := r.take(two)
	require.Equal(t, 204, got.code, got.body)
	after := g.dial("/webrtc/signalling/", g.as(fromPage))
	for _, ws := range before {
		expectClosed(t, ws, 4409, "used in another tab")
	}
	g.expectRefusals(closing.UsedElsewhere, 1)
	r.expectRefusals(closing.UsedElsewhere, 1)
	for _, ws := range []*websocket.Conn{after, other} {
		_ = ws.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		var closed *websocket.CloseError
		_, _, err := ws.ReadMessage()
		assert.False(t, errors.As(err, &closed), "ended with %v", err)
	}
	assert.Equal(t, page.StateElsewhere, g.asks(one).State, "the former page")
}

func TestThePageOfADesktopIsShownThoughNothingCanBeRecorded(t *testing.T) {
	g := single(t)
	g.refusing = errors.New("the API server is down")
	tab := g.openAs(one)
	tab.until("it shows it", yours)
	s := g.asks(two)
	assert.Equal(t, viewer.ViewingYours, s.Viewing, "a page that asks is told %+v", s)
	assert.Equal(t, 503, g.take(two).code, "the button")
	g.mu.Lock()
	g.refusing = nil
	g.mu.Unlock()
	eventually.True(g.t, "it is recorded after all", func() bool { return g.records() > 0 })
}

func TestAPageThatMayNotBeToldAsksAndHasTheViewTheSame(t *testing.T) {
	g := single(t)
	s := g.asks(one)
	assert.True(t, yours(s), "told %+v", s)
	s = g.asks(two)
	assert.Equal(t, page.StateElsewhere, s.State, "told %+v", s)
	s = g.asks(one)
	require.True(t, yours(s))
	assert.Equal(t, 1, g.records(), "told %+v, records", s)
	// Without a name it is nobody's page: it is told how the desktop stands, and has nothing.
	s = g.asks("")
	require.Equal(t, page.StateReady, s.State)
	assert.Equal(t, viewer.ViewingOpen, s.Viewing, "told %+v", s)
}

func TestTakingOverIsAPostOfAPageAndBounded(t *testing.T) {
	g := single(t)
	got := g.do(http.MethodGet, page.TakePath+"?page="+one, g.as(navigating))
	require.Equal(t, 405, got.code)
	assert.Equal(t, "POST", got.header.Get("Allow"))
	for _, name := range []string{"", "x", one + "1", strings.ToUpper(strings.Repeat("a", 32))} {
		assert.Equal(t, 400, g.take(name).code, "%q", name)
	}
	assert.Equal(t, 0, g.records(), "records")
	var last answer
	for i := range 2 * viewer.WriteBurst {
		if last = g.take(fmt.Sprintf("%032x", i)); last.code != 204 {
			break
		}
	}
	require.Equal(t, 429, last.code, "%v", last.header)
	require.NotEmpty(t, last.header.Get("Retry-After"), "%v", last.header)
	assert.LessOrEqual(t, g.records(), viewer.WriteBurst+2, "%v, records", last.header)
}

func TestWhoViewsNeitherWakesNorCountsAsActivity(t *testing.T) {
	g := single(t)
	g.sleeps(lifecycle.ReasonIdle, "")
	before := g.woken()
	got := g.take(one)
	assert.Equal(t, 204, got.code, got.body)
	g.openAs(two).until("asleep", in(page.StateAsleep))
	n := g.woken()
	assert.Equal(t, before, n, "woken %d times", n-before)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.writes {
		assert.True(t, a.Input.IsZero(), "input was written: %+v", a)
	}
}

func TestWhoMayOnlyLookTakesNoViewFromTheOwner(t *testing.T) {
	g := single(t)
	_, grant := g.shares(v1alpha1.ShareViewer, 0)
	h := g.visiting(fetching, "share/guest", grant)
	assert.Equal(t, http.StatusOK, g.do(http.MethodGet, "/_vdi/status?page="+two, h).code)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.front.URL+"/_vdi/events?page="+two, nil)
	require.NoError(t, err)
	req.Host, req.Header = g.host, h
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	assert.Empty(t, g.viewed)
}
