package activator_test

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

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
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

// single is a gateway whose desktop has room for one viewer, and is there.
func single(t *testing.T) *gateway {
	t.Helper()
	g := newGateway(t)
	g.Speaks(v1alpha1.ProtocolSelkies1)
	g.Wakes(newDesktop(t))
	return g
}

func (g *gateway) take(name string) answer {
	g.T.Helper()
	return g.do(http.MethodPost, page.TakePath+"?page="+name, g.As(fromPage))
}

// asks is what a page is told that asks.
func (g *gateway) asks(name string) page.Status {
	g.T.Helper()
	got := g.do(http.MethodGet, page.StatusPath+"?at=/&page="+name, g.As(fetching))
	var s page.Status
	require.NoError(g.T, json.Unmarshal([]byte(got.body), &s), "%d %s", got.code, got.body)
	return s
}

func TestASecondPageIsToldThatTheDesktopIsOpenElsewhereAndTakesItOver(t *testing.T) {
	for name, replicas := range map[string]int{"at one replica": 1, "at two": 2} {
		t.Run(name, func(t *testing.T) {
			g := single(t)
			r := g
			if replicas == 2 {
				r = g.another()
			}
			first := g.openAs(one)
			first.until("it has the view", yours)
			second := r.openAs(two)
			s := second.until("it is told", elsewhere)
			require.NotEmpty(t, s.Message)
			assert.Nil(t, s.Sleep, "told %+v", s)
			assert.Equal(t, 1, g.Recorded(), "records of one claim")

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
			assert.Equal(t, 3, g.Recorded(), "takeovers, records")
			require.Equal(t, 204, g.take(one).code)
			assert.Equal(t, 3, g.Recorded(), "who has it and takes it again, records")
		})
	}
}

func TestWhoWakesADesktopSeesItThere(t *testing.T) {
	g := single(t)
	office := g.openAs(one)
	office.until("it shows it", yours)
	g.Sleeps(lifecycle.ReasonIdle, "")
	office.until("asleep", in(page.StateAsleep))
	// At home, by opening it.
	g.do(http.MethodGet, "/", g.As(navigating))
	home := g.openAs(two)
	home.until("it waits", func(s page.Status) bool { return s.State == page.StateWaiting && s.Viewing == viewer.ViewingYours })
	office.until("it is told", elsewhere)
	g.Wakes(newDesktop(t))
	home.until("it shows it", yours)

	g.Sleeps(lifecycle.ReasonIdle, "")
	office.until("asleep", in(page.StateAsleep))
	home.until("asleep", in(page.StateAsleep))
	// By the button, in the office.
	got := g.do(http.MethodPost, page.WakePath+"?page="+one, g.As(fromPage))
	require.Equal(t, 204, got.code, got.body)
	g.Wakes(newDesktop(t))
	office.until("it shows it", yours)
	home.until("it is told", elsewhere)
}

func TestDesktopsThatTakeSeveralViewersAreLeftAlone(t *testing.T) {
	for _, p := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolSelkies2WebRTC, v1alpha1.ProtocolSelkies2WebSockets, v1alpha1.ProtocolLinuxServer, v1alpha1.ProtocolWebSocket, v1alpha1.ProtocolAuto, ""} {
		g := newGateway(t)
		g.Speaks(p)
		g.Wakes(newDesktop(t))
		for _, name := range []string{one, two} {
			s := g.openAs(name).until("ready", in(page.StateReady))
			assert.Empty(t, s.Viewing, "%s: told %+v", p, s)
		}
		require.Equal(t, 204, g.take(two).code, p)
		assert.Equal(t, 0, g.Recorded(), "%s: the button, records", p)
		g.dial("/websockify", g.As(fromPage))
		assert.Equal(t, 0, g.Recorded(), "%s: records", p)
	}
}

func TestUnderAutoADesktopIsKnownByItsFirstClientAtEveryReplica(t *testing.T) {
	g := newGateway(t)
	r := g.another()
	g.Wakes(newDesktop(t))
	tab := r.openAs(one)
	tab.until("ready", in(page.StateReady))
	g.dial("/webrtc/signalling/", g.As(fromPage))
	tab.until("it has the view", yours)
	g.openAs(two).until("it is told", elsewhere)
	for range 5 {
		g.dial("/webrtc/signalling/", g.As(fromPage))
	}
	assert.Equal(t, 1, g.Recorded(), "records, want a claim")
	// Its template has another desktop by now.
	time.Sleep(wake.ReportPause)
	g.dial("/api/webrtc/signaling/", g.As(fromPage))
	tab.until("it is free", func(s page.Status) bool { return s.Viewing == viewer.ViewingFree })
}

func TestATakeoverEndsTheFormerViewersConnectionsAtEveryReplica(t *testing.T) {
	g := newGateway(t)
	g.Speaks(v1alpha1.ProtocolSelkies1)
	r := g.another()
	tab := g.openAs(one)
	tab.until("it has the view", func(s page.Status) bool { return s.Viewing == viewer.ViewingYours })
	var before []*websocket.Conn
	for _, at := range []*gateway{g, r} {
		ws := at.dial("/webrtc/signalling/", at.As(fromPage))
		say(t, ws, "HELLO 1")
		before = append(before, ws)
	}
	other := g.dial("/websockify", g.As(fromPage)) // no viewer's
	got := r.take(two)
	require.Equal(t, 204, got.code, got.body)
	after := g.dial("/webrtc/signalling/", g.As(fromPage))
	for _, ws := range before {
		expectClosed(t, ws, 4409, "used in another tab")
	}
	g.ExpectRefusals(closing.UsedElsewhere, 1)
	r.ExpectRefusals(closing.UsedElsewhere, 1)
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
	g.Refuse(errors.New("the API server is down"))
	tab := g.openAs(one)
	tab.until("it shows it", yours)
	s := g.asks(two)
	assert.Equal(t, viewer.ViewingYours, s.Viewing, "a page that asks is told %+v", s)
	assert.Equal(t, 503, g.take(two).code, "the button")
	g.Refuse(nil)
	eventually.True(g.T, "it is recorded after all", func() bool { return g.Recorded() > 0 })
}

func TestAPageThatMayNotBeToldAsksAndHasTheViewTheSame(t *testing.T) {
	g := single(t)
	s := g.asks(one)
	assert.True(t, yours(s), "told %+v", s)
	s = g.asks(two)
	assert.Equal(t, page.StateElsewhere, s.State, "told %+v", s)
	s = g.asks(one)
	require.True(t, yours(s))
	assert.Equal(t, 1, g.Recorded(), "told %+v, records", s)
	// Without a name it is nobody's page: it is told how the desktop stands, and has nothing.
	s = g.asks("")
	require.Equal(t, page.StateReady, s.State)
	assert.Equal(t, viewer.ViewingOpen, s.Viewing, "told %+v", s)
}

func TestTakingOverIsAPostOfAPageAndBounded(t *testing.T) {
	g := single(t)
	got := g.do(http.MethodGet, page.TakePath+"?page="+one, g.As(navigating))
	require.Equal(t, 405, got.code)
	assert.Equal(t, "POST", got.header.Get("Allow"))
	for _, name := range []string{"", "x", one + "1", strings.ToUpper(strings.Repeat("a", 32))} {
		assert.Equal(t, 400, g.take(name).code, "%q", name)
	}
	assert.Equal(t, 0, g.Recorded(), "records")
	var last answer
	for i := range 2 * viewer.WriteBurst {
		if last = g.take(fmt.Sprintf("%032x", i)); last.code != 204 {
			break
		}
	}
	require.Equal(t, 429, last.code, "%v", last.header)
	require.NotEmpty(t, last.header.Get("Retry-After"), "%v", last.header)
	assert.LessOrEqual(t, g.Recorded(), viewer.WriteBurst+2, "%v, records", last.header)
}

func TestWhoViewsNeitherWakesNorCountsAsActivity(t *testing.T) {
	g := single(t)
	g.Sleeps(lifecycle.ReasonIdle, "")
	before := g.Woken()
	got := g.take(one)
	assert.Equal(t, 204, got.code, got.body)
	g.openAs(two).until("asleep", in(page.StateAsleep))
	n := g.Woken()
	assert.Equal(t, before, n, "woken %d times", n-before)
	assert.Equal(t, 0, g.Inputs(), "inputs were written: %+v", g.Written())
}

func TestWhoMayOnlyLookTakesNoViewFromTheOwner(t *testing.T) {
	g := single(t)
	_, grant := g.shares(v1alpha1.ShareViewer, 0)
	h := g.visiting(fetching, "share/guest", grant)
	assert.Equal(t, http.StatusOK, g.do(http.MethodGet, "/_vdi/status?page="+two, h).code)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Front.URL+"/_vdi/events?page="+two, nil)
	require.NoError(t, err)
	req.Host, req.Header = g.Host, h
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	assert.Equal(t, 0, g.Recorded())
}
