package activator_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

func TestALinkOpensTheSession(t *testing.T) {
	g := newGateway(t)
	raw, cookie := g.sign(g.Owned), ""
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := g.do(method, "/desk?x=1&vdi_token="+raw, navigating)
		require.Equal(t, http.StatusSeeOther, got.code, method)
		require.Equal(t, "/desk?x=1", got.header.Get("Location"), method)
		require.NotContains(t, got.header.Get("Set-Cookie"), raw, "the link is no cookie")
		cookie = cookieOf(got, "vdi-session").Value
	}
	g.expectNothingWritten() // a link that is only looked at, as by a mail's scanner, wakes nothing
	for name, value := range map[string]string{"the cookie": cookie, "one of before there were visits": raw} {
		assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/desk?x=1", with(navigating, "Cookie", "vdi-session="+value)).code, name)
	}
	assert.NotContains(t, g.Logged.String(), raw, "the token is in the log")
}

func TestAPageOfASleepingDesktopWaitsAndWakesIt(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, "/", g.As(navigating))
	require.Equal(t, http.StatusAccepted, got.code)
	require.Contains(t, got.body, "Your desktop is starting")
	eventually.Equal(g.T, "woken", 1, g.Woken)
	if got := g.status(); got.State != page.StateWaiting || got.Timeline["requested"] == 0 {
		t.Errorf("status = %+v", got)
	}
	g.Wakes(newDesktop(t))
	eventually.True(g.T, "ready", func() bool { return g.status().State == page.StateReady })
	if got := g.do(http.MethodGet, "/", g.As(navigating)); got.code != 200 || !strings.Contains(got.body, "Opening your desktop") {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := g.do(http.MethodGet, "/", g.As(framing)); got.code != 200 || got.body != "desktop GET / cookies:" {
		t.Errorf("its frame got %d %s", got.code, got.body)
	}
	head := g.do(http.MethodHead, "/", g.As(navigating))
	require.Equal(t, 200, head.code)
	assert.Empty(t, head.body, "HEAD")
	assert.Equal(t, 1, g.Woken(), "woken times")
}

func (g *gateway) status() page.Status {
	g.T.Helper()
	got := g.do(http.MethodGet, page.StatusPath, g.As(fetching))
	var s page.Status
	require.NoError(g.T, json.Unmarshal([]byte(got.body), &s), got.body)
	require.Equal(g.T, 200, got.code, got.body)
	return s
}

func refusals(g *gateway, why *closing.Refusal) int {
	return int(testutil.ToFloat64(g.Metrics.Refusals.WithLabelValues(why.Label)))
}

func TestAWebSocketIsHeldAndThenServed(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/desk", g.As(fromPage)) // at once, though there is no desktop
	say(t, ws, "first")
	say(t, ws, "second")
	eventually.Equal(g.T, "woken", 1, g.Woken)
	eventually.Equal(g.T, "held", 1, value(g.Metrics.Held))
	g.Wakes(newDesktop(t))
	for _, m := range []string{"first", "second"} {
		expectEcho(t, ws, m)
	}
	say(t, ws, "third")
	expectEcho(t, ws, "third")
	held, relayed := testutil.ToFloat64(g.Metrics.Held), testutil.ToFloat64(g.Metrics.Relayed)
	require.EqualValues(t, 0, held)
	assert.EqualValues(t, 1, relayed, "held, relayed")
	if in, out := testutil.ToFloat64(g.Metrics.BytesToDesktop), testutil.ToFloat64(g.Metrics.BytesToClient); in == 0 || out == 0 {
		t.Errorf("%v bytes to the desktop and %v to the client were counted", in, out)
	}
	_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(enough))
	eventually.Equal(g.T, "let go", 0, value(g.Metrics.Relayed))
}

func TestASignalingSocketIsAnsweredBeforeThereIsADesktop(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/webrtc/signalling/", g.As(fromPage))
	say(t, ws, "HELLO 1")
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	_, m, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(m), "heard %q", m)
}

func TestAnUpgradeThatIsNoneIsRefusedWithTheReason(t *testing.T) {
	g := newGateway(t)
	good := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
	for name, tc := range map[string]struct {
		method, header, value string
		status                int
		why                   *closing.Refusal
	}{
		"an old version":   {"GET", "Sec-WebSocket-Version", "8", 426, closing.UpgradeVersion},
		"a newer version":  {"GET", "Sec-WebSocket-Version", "14", 426, closing.UpgradeVersion},
		"no version":       {"GET", "Sec-WebSocket-Version", "", 426, closing.UpgradeVersion},
		"a key of no use":  {"GET", "Sec-WebSocket-Key", "short", 400, closing.UpgradeKey},
		"no key":           {"GET", "Sec-WebSocket-Key", "", 400, closing.UpgradeKey},
		"the wrong method": {"POST", "Upgrade", "websocket", 405, closing.UpgradeMethod},
		"another method":   {"DELETE", "Upgrade", "websocket", 405, closing.UpgradeMethod},
	} {
		t.Run(name, func(t *testing.T) {
			h := g.As(fromPage)
			for k, v := range good {
				h.Set(k, v)
			}
			h.Set(tc.header, tc.value)
			if tc.value == "" {
				h.Del(tc.header)
			}
			before := refusals(g, tc.why)
			got := g.do(tc.method, "/desk", h)
			require.Equal(t, tc.status, got.code, "%q", got.body)
			require.NotEmpty(t, strings.TrimSpace(got.body), "%q", got.body)
			assert.Equal(t, before+1, refusals(g, tc.why), "%q, %d refusals counted", got.body, refusals(g, tc.why)-before)
			v := got.header.Get("Sec-WebSocket-Version")
			assert.Equal(t, tc.status == 426, v == "13", "Sec-WebSocket-Version = %q", v)
		})
	}
	g.expectNothingWritten()
}

func TestADesktopThatDiesBeforeItsFirstMessageIsReplaced(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/desk", g.As(fromPage))
	say(t, ws, "first")
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, _, _ = up.ReadMessage()
		_ = up.Close()
	}))
	defer broken.Close()
	g.Wakes(broken)
	eventually.True(g.T, "held again", func() bool { return testutil.ToFloat64(g.Metrics.HeldAgain) > 0 })
	g.Wakes(newDesktop(t))
	expectEcho(t, ws, "first")
	held, relayed := testutil.ToFloat64(g.Metrics.Held), testutil.ToFloat64(g.Metrics.Relayed)
	require.EqualValues(t, 0, held)
	assert.EqualValues(t, 1, relayed, "held, relayed")
	before := len(g.Written())
	eventually.True(t, "it is written that the owner is still connected", func() bool {
		for _, a := range g.Written()[before:] {
			if a.Present != nil && len(a.Present.People) == 1 {
				return true
			}
		}
		return false
	})
}

func TestAPlainRequestIsHeldAndThenServed(t *testing.T) {
	g := newGateway(t)
	got := make(chan answer, 1)
	go func() { got <- g.do(http.MethodGet, "/app.js", g.As(fetching)) }()
	eventually.Equal(g.T, "woken", 1, g.Woken)
	g.Wakes(newDesktop(t))
	a := <-got
	require.Equal(t, 200, a.code)
	assert.Equal(t, "desktop GET /app.js cookies:", a.body)
}

func TestAPlainRequestIsNotHeldForEver(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 30 * time.Millisecond })
	got := g.do(http.MethodGet, "/app.js", g.As(fetching))
	require.Equal(t, 503, got.code, "%v", got.header)
	require.NotEmpty(t, got.header.Get("Retry-After"), "%v", got.header)
	assert.Contains(t, got.body, "did not answer in time", "%v", got.header)
	g.ExpectRefusals(closing.HoldTimeout, 1)
}

func TestAWebSocketIsNotHeldForEver(t *testing.T) {
	// The session has no startup timeout that would end it.
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldTime.Duration = 30 * time.Millisecond })
	expectClosed(t, g.dial("/desk", g.As(fromPage)), 1013, "did not answer in time")
	g.ExpectRefusals(closing.HoldTimeout, 1)
}

func TestLimitsTurnAwayWithAReason(t *testing.T) {
	for why, how := range map[*closing.Refusal]func(*config.Config){
		closing.SessionLimit: func(c *config.Config) { c.Limits.HeldConnectionsPerSession = 2 },
		closing.ReplicaLimit: func(c *config.Config) { c.Limits.HeldConnections = 2 },
	} {
		t.Run(why.Label, func(t *testing.T) {
			g := newGateway(t, how)
			first := g.dial("/a", g.As(fromPage))
			g.dial("/b", g.As(fromPage))
			eventually.Equal(g.T, "held", 2, value(g.Metrics.Held))
			expectClosed(t, g.dial("/c", g.As(fromPage)), 1013, "too many connections")
			g.ExpectRefusals(why, 1)
			got := g.do(http.MethodGet, "/app.js", g.As(fetching))
			require.Equal(t, 503, got.code)
			assert.Contains(t, got.body, "too many connections")
			_ = first.Close()
			eventually.Equal(g.T, "a place is free", 1, value(g.Metrics.Held))
			say(t, g.dial("/d", g.As(fromPage)), "in")
			eventually.Equal(g.T, "held again", 2, value(g.Metrics.Held))
		})
	}
}

func TestAHeldSocketIsToldWhyItsDesktopDoesNotCome(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*gateway)
		code    int
		text    string
		why     *closing.Refusal
	}{
		"it did not start": {func(g *gateway) { g.Sleeps(lifecycle.ReasonStartup, "no node has a GPU") }, 4408, "no node has a GPU", closing.StartFailed},
		"it ran too long":  {func(g *gateway) { g.Sleeps(lifecycle.ReasonMaxDuration, "") }, 4410, "put to sleep", closing.Asleep},
		"it was switched off": {func(g *gateway) {
			g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
		}, 4403, "switched off", closing.PoweredOff},
		"it was deleted":    {func(g *gateway) { g.Directory.DropSession(alice) }, 4404, "deleted", closing.Gone},
		"it was made again": {func(g *gateway) { g.Change(func(s *v1alpha1.VDISession) { s.UID = "2" }) }, 4404, "deleted", closing.Gone},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			ws := g.dial("/desk", g.As(fromPage))
			eventually.Equal(g.T, "woken", 1, g.Woken)
			tc.happens(g)
			expectClosed(t, ws, tc.code, tc.text)
			if tc.why.Label != "" {
				g.ExpectRefusals(tc.why, 1)
			}
			eventually.Equal(g.T, "let go", 0, value(g.Metrics.Held))
			assert.Equal(t, 1, g.Woken(), "woken times: who was turned away woke it again")
		})
	}
}

func TestARelayedSocketIsToldThatAClockPutItsDesktopToSleep(t *testing.T) {
	g := newGateway(t)
	desktop := newDesktop(t)
	ws := g.dial("/desk", g.As(fromPage))
	g.Wakes(desktop)
	say(t, ws, "hello")
	expectEcho(t, ws, "hello")
	g.Sleeps(lifecycle.ReasonIdle, "")
	say(t, ws, "end")
	expectClosed(t, ws, 4410, "put to sleep")
}

func TestAfterAForcedSleepOnlyAPersonWakes(t *testing.T) {
	for reason, code := range map[lifecycle.Reason]int{lifecycle.ReasonStartup: 4408, lifecycle.ReasonMaxDuration: 4410, lifecycle.ReasonIdle: 4410} {
		t.Run(string(reason), func(t *testing.T) {
			g := newGateway(t)
			g.Latency = 20 * time.Millisecond // longer than a page takes to ask for the state
			g.Sleeps(reason, "because")
			expectClosed(t, g.dial("/desk", g.As(fromPage)), code, "this desktop")
			assert.Equal(t, 503, g.do(http.MethodGet, "/app.js", g.As(fetching)).code, "a script's request")
			want := page.StateAsleep
			if reason == lifecycle.ReasonStartup {
				want = page.StateFailed
			}
			assert.Equal(t, want, g.status().State, "state")
			g.expectNothingWritten()

			assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/", g.As(navigating)).code, "a person")
			assert.Equal(t, 1, g.Woken(), "a person's visit woke it times")
			assert.Equal(t, page.StateWaiting, g.status().State, "state = after a person asked for it")
		})
	}
	t.Run("by a program that is no browser", func(t *testing.T) {
		g := newGateway(t)
		g.Sleeps(lifecycle.ReasonIdle, "")
		g.dial("/desk", g.As(noBrowser))
		eventually.Equal(g.T, "woken", 1, g.Woken)
	})
	t.Run("but after one that nobody minded, a script does too", func(t *testing.T) {
		g := newGateway(t)
		g.Sleeps(lifecycle.ReasonDisconnected, "")
		g.dial("/desk", g.As(fromPage))
		eventually.Equal(g.T, "woken", 1, g.Woken)
	})
}

func TestADesktopThatIsSwitchedOffSaysSo(t *testing.T) {
	g := newGateway(t)
	g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	got := g.do(http.MethodGet, "/", g.As(navigating))
	require.Equal(t, 503, got.code)
	assert.Contains(t, got.body, closing.PoweredOff.Title)
	assert.Equal(t, page.StateOff, g.status().State, "state")
	expectClosed(t, g.dial("/desk", g.As(fromPage)), 4403, "switched off")
	assert.Equal(t, 0, g.Woken(), "woken times")
}

func TestShutdown(t *testing.T) {
	g := newGateway(t)
	held := g.dial("/desk", g.As(fromPage))
	eventually.Equal(g.T, "held", 1, value(g.Metrics.Held))
	g.StopHolding()
	expectClosed(t, held, 1012, "reconnect")

	g = newGateway(t)
	relayed := g.dial("/desk", g.As(fromPage))
	g.Wakes(newDesktop(t))
	say(t, relayed, "before")
	expectEcho(t, relayed, "before")
	g.StopHolding()
	say(t, relayed, "still here")
	expectEcho(t, relayed, "still here")
	grace, over := context.WithCancel(t.Context())
	drained := make(chan struct{})
	go func() { defer close(drained); g.Drain(grace) }()
	eventually.True(g.T, "no more are accepted", func() bool {
		accepted := g.Sockets().Enter()
		if accepted {
			g.Sockets().Leave()
		}
		return !accepted
	})
	say(t, relayed, "and here")
	expectEcho(t, relayed, "and here")
	over()
	expectClosed(t, relayed, 1012, "reconnect")
	<-drained
}

func TestAReplicaThatEndsKeepsNoConnectionOfItsVisitors(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	known := g.As(fetching)
	for _, at := range []string{"/", page.StatusPath, "/_vdi/assets/shell.js", "/desk"} {
		assert.False(t, g.do(http.MethodGet, at, known).closes, at)
	}
	g.Entrance.Retire()
	for _, at := range []string{"/", page.StatusPath, "/_vdi/assets/shell.js", "/desk"} {
		assert.True(t, g.do(http.MethodGet, at, known).closes, at)
	}
}

func TestActivityIsReportedByPOSTWhileAwake(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, page.ActivityPath, g.As(fetching))
	require.Equal(t, 405, got.code)
	assert.Equal(t, "POST", got.header.Get("Allow"), "GET")
	assert.Equal(t, 204, g.do(http.MethodPost, page.ActivityPath, g.As(fromPage)).code, "asleep")
	g.expectNothingWritten()
	g.Wakes(newDesktop(t))
	for range 3 {
		assert.Equal(t, 204, g.do(http.MethodPost, page.ActivityPath, g.As(fromPage)).code, "awake")
	}
	require.Len(t, g.Written(), 1)
	assert.False(t, g.Written()[0].Input.IsZero(), "written, want one input")
}

func TestOurPathsNeverReachTheDesktop(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	got := g.do(http.MethodGet, "/_vdi/secret", g.As(fetching))
	require.Equal(t, 404, got.code)
	assert.NotContains(t, got.body, "desktop GET")
	assert.Equal(t, 200, g.do(http.MethodGet, "/_vdi/assets/shell.js", noBrowser).code, "the pages' own script")
}
