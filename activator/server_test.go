package activator

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

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

func TestWhoIsTurnedAwayLearnsNothingAndWakesNothing(t *testing.T) {
	g := newGateway(t)
	bob := g.owned.DeepCopy()
	bob.Name, bob.Spec.User = "bob", "bob@example.com"
	for name, tc := range map[string]struct {
		token, host string
		header      http.Header
		status      int
		why         *closing.Refusal
	}{
		"an unknown host":            {g.sign(token.AudienceSession, g.owned, 0), "bob--desktops.vdi.localhost", noBrowser, 404, closing.UnknownHost},
		"an address":                 {"", "[::1]:8080", noBrowser, 404, closing.UnknownHost},
		"a very long host":           {"", strings.Repeat("a", 5000) + ".vdi.localhost", noBrowser, 404, closing.UnknownHost},
		"no token":                   {"", host, noBrowser, 401, closing.NoToken},
		"a token of nobody":          {"rubbish-token", host, noBrowser, 401, closing.BadToken},
		"an expired token":           {g.sign(token.AudienceSession, g.owned, 2*time.Hour), host, noBrowser, 401, closing.ExpiredToken},
		"another session's token":    {g.sign(token.AudienceSession, bob, 0), host, noBrowser, 403, closing.ForeignToken},
		"a desktop's token":          {g.sign(token.AudienceTURN, g.owned, 0), host, noBrowser, 401, closing.BadToken},
		"another desktop's page":     {g.sign(token.AudienceSession, g.owned, 0), host, http.Header{"Origin": {"http://bob--desktops.vdi.localhost"}}, 403, closing.ForeignOrigin},
		"another desktop's picture":  {g.sign(token.AudienceSession, g.owned, 0), host, http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Dest": {"image"}}, 403, closing.ForeignOrigin},
		"a frame on another desktop": {g.sign(token.AudienceSession, g.owned, 0), host, http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Dest": {"iframe"}}, 403, closing.ForeignOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			header := with(tc.header, "Test-Host", tc.host)
			if tc.token != "" {
				header.Set("Cookie", "vdi-session="+tc.token)
			}
			upgrade := header.Clone()
			for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
				upgrade.Set(k, v)
			}
			before := refusals(g, tc.why)
			asked := 0
			for _, kind := range []http.Header{header, upgrade} {
				for _, at := range []string{"/", "/ws", "/turn", page.StatusPath, page.EventsPath, page.ActivityPath, page.WakePath, page.TakePath} {
					for _, method := range []string{http.MethodGet, http.MethodPost} {
						got := g.do(method, at, kind)
						asked++
						if got.code != tc.status || !strings.Contains(got.body, tc.why.Title) {
							t.Errorf("%s %s: %d, want %d and %q:\n%s", method, at, got.code, tc.status, tc.why.Title, got.body)
						}
						if strings.Contains(got.body, "alice") || strings.Contains(got.body, "bob") {
							t.Errorf("%s %s names a session: %s", method, at, got.body)
						}
						if len(got.header.Values("Set-Cookie")) > 0 {
							t.Errorf("%s %s sets a cookie", method, at)
						}
					}
				}
			}
			if n := refusals(g, tc.why) - before; n != asked {
				t.Errorf("%d of %d refusals were counted", n, asked)
			}
			if tc.token != "" {
				got := g.do(http.MethodGet, "/?vdi_token="+tc.token, with(http.Header{}, "Test-Host", tc.host))
				if tc.why != closing.ForeignOrigin && got.code != tc.status {
					t.Errorf("as a link: %d, want %d", got.code, tc.status)
				}
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if tc.token != "" && strings.Contains(g.log.String(), tc.token) {
				t.Error("the token is in the log")
			}
		})
	}
	g.expectNothingWritten()
}

func TestALinkOpensTheSession(t *testing.T) {
	g := newGateway(t)
	raw := g.sign(token.AudienceSession, g.owned, 0)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := g.do(method, "/desk?x=1&vdi_token="+raw, navigating)
		if got.code != http.StatusSeeOther || got.header.Get("Location") != "/desk?x=1" || !strings.Contains(got.header.Get("Set-Cookie"), raw) {
			t.Fatalf("%s: %d to %q with %q", method, got.code, got.header.Get("Location"), got.header.Get("Set-Cookie"))
		}
	}
	g.expectNothingWritten() // a link that is only looked at, as by a mail's scanner, wakes nothing
	if got := g.do(http.MethodGet, "/desk?x=1", with(navigating, "Cookie", "vdi-session="+raw)); got.code != http.StatusAccepted {
		t.Errorf("the cookie got %d", got.code)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.Contains(g.log.String(), raw) {
		t.Error("the token is in the log")
	}
}

func TestAPageOfASleepingDesktopWaitsAndWakesIt(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, "/", g.as(navigating))
	if got.code != http.StatusAccepted || !strings.Contains(got.body, "Your desktop is starting") {
		t.Fatalf("%d:\n%s", got.code, got.body)
	}
	g.eventually("woken", func() bool { return g.woken() == 1 })
	if got := g.status(); got.State != page.StateWaiting || got.Timeline["requested"] == 0 {
		t.Errorf("status = %+v", got)
	}
	g.wakes(newDesktop(t))
	g.eventually("ready", func() bool { return g.status().State == page.StateReady })
	if got := g.do(http.MethodGet, "/", g.as(navigating)); got.code != 200 || !strings.Contains(got.body, "Opening your desktop") {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := g.do(http.MethodGet, "/", g.as(framing)); got.code != 200 || got.body != "desktop GET / cookies:" {
		t.Errorf("its frame got %d %s", got.code, got.body)
	}
	if head := g.do(http.MethodHead, "/", g.as(navigating)); head.code != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.code, head.body)
	}
	if n := g.woken(); n != 1 {
		t.Errorf("woken %d times", n)
	}
}

func (g *gateway) status() page.Status {
	g.t.Helper()
	got := g.do(http.MethodGet, page.StatusPath, g.as(fetching))
	var s page.Status
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.code != 200 {
		g.t.Fatalf("%d %s: %v", got.code, got.body, err)
	}
	return s
}

func refusals(g *gateway, why *closing.Refusal) int {
	return int(testutil.ToFloat64(g.Metrics.Refusals.WithLabelValues(why.Label)))
}

func TestAWebSocketIsHeldAndThenServed(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/desk", g.as(fromPage)) // at once, though there is no desktop
	say(t, ws, "first")
	say(t, ws, "second")
	g.eventually("woken", func() bool { return g.woken() == 1 })
	g.eventually("held", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 1 })
	g.wakes(newDesktop(t))
	for _, m := range []string{"first", "second"} {
		expectEcho(t, ws, m)
	}
	say(t, ws, "third")
	expectEcho(t, ws, "third")
	if held, relayed := testutil.ToFloat64(g.Metrics.Held), testutil.ToFloat64(g.Metrics.Relayed); held != 0 || relayed != 1 {
		t.Errorf("%v held, %v relayed", held, relayed)
	}
	if in, out := testutil.ToFloat64(g.Metrics.BytesToDesktop), testutil.ToFloat64(g.Metrics.BytesToClient); in == 0 || out == 0 {
		t.Errorf("%v bytes to the desktop and %v to the client were counted", in, out)
	}
	_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(enough))
	g.eventually("let go", func() bool { return testutil.ToFloat64(g.Metrics.Relayed) == 0 })
}

func TestASignalingSocketIsAnsweredBeforeThereIsADesktop(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/webrtc/signalling/", g.as(fromPage))
	say(t, ws, "HELLO 1")
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	if _, m, err := ws.ReadMessage(); err != nil || string(m) != "HELLO" {
		t.Fatalf("heard %q, %v", m, err)
	}
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
			h := g.as(fromPage)
			for k, v := range good {
				h.Set(k, v)
			}
			h.Set(tc.header, tc.value)
			if tc.value == "" {
				h.Del(tc.header)
			}
			before := refusals(g, tc.why)
			got := g.do(tc.method, "/desk", h)
			if got.code != tc.status || strings.TrimSpace(got.body) == "" || refusals(g, tc.why) != before+1 {
				t.Errorf("%d %q, %d refusals counted", got.code, got.body, refusals(g, tc.why)-before)
			}
			if v := got.header.Get("Sec-WebSocket-Version"); (v == "13") != (tc.status == 426) {
				t.Errorf("Sec-WebSocket-Version = %q", v)
			}
		})
	}
	g.expectNothingWritten()
}

func TestADesktopThatDiesBeforeItsFirstMessageIsReplaced(t *testing.T) {
	g := newGateway(t)
	ws := g.dial("/desk", g.as(fromPage))
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
	g.wakes(broken)
	g.eventually("held again", func() bool { return testutil.ToFloat64(g.Metrics.HeldAgain) > 0 })
	g.wakes(newDesktop(t))
	expectEcho(t, ws, "first")
	if held, relayed := testutil.ToFloat64(g.Metrics.Held), testutil.ToFloat64(g.Metrics.Relayed); held != 0 || relayed != 1 {
		t.Errorf("%v held, %v relayed", held, relayed)
	}
}

func TestAPlainRequestIsHeldAndThenServed(t *testing.T) {
	g := newGateway(t)
	got := make(chan answer, 1)
	go func() { got <- g.do(http.MethodGet, "/app.js", g.as(fetching)) }()
	g.eventually("woken", func() bool { return g.woken() == 1 })
	g.wakes(newDesktop(t))
	if a := <-got; a.code != 200 || a.body != "desktop GET /app.js cookies:" {
		t.Errorf("%d %s", a.code, a.body)
	}
}

func TestAPlainRequestIsNotHeldForEver(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = 30 * time.Millisecond })
	got := g.do(http.MethodGet, "/app.js", g.as(fetching))
	if got.code != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "did not answer in time") {
		t.Errorf("%d %v %s", got.code, got.header, got.body)
	}
	g.expectRefusals(closing.HoldTimeout, 1)
}

func TestAWebSocketIsNotHeldForEver(t *testing.T) {
	// The session has no startup timeout that would end it.
	g := newGateway(t, func(c *config.Config) { c.Limits.HoldTime.Duration = 30 * time.Millisecond })
	expectClosed(t, g.dial("/desk", g.as(fromPage)), 1013, "did not answer in time")
	g.expectRefusals(closing.HoldTimeout, 1)
}

func TestLimitsTurnAwayWithAReason(t *testing.T) {
	for why, how := range map[*closing.Refusal]func(*config.Config){
		closing.SessionLimit: func(c *config.Config) { c.Limits.HeldConnectionsPerSession = 2 },
		closing.ReplicaLimit: func(c *config.Config) { c.Limits.HeldConnections = 2 },
	} {
		t.Run(why.Label, func(t *testing.T) {
			g := newGateway(t, how)
			first := g.dial("/a", g.as(fromPage))
			g.dial("/b", g.as(fromPage))
			g.eventually("held", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 2 })
			expectClosed(t, g.dial("/c", g.as(fromPage)), 1013, "too many connections")
			g.expectRefusals(why, 1)
			if got := g.do(http.MethodGet, "/app.js", g.as(fetching)); got.code != 503 || !strings.Contains(got.body, "too many connections") {
				t.Errorf("%d %s", got.code, got.body)
			}
			_ = first.Close()
			g.eventually("a place is free", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 1 })
			say(t, g.dial("/d", g.as(fromPage)), "in")
			g.eventually("held again", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 2 })
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
		"it did not start": {func(g *gateway) { g.sleeps(lifecycle.ReasonStartup, "no node has a GPU") }, 4408, "no node has a GPU", closing.StartFailed},
		"it ran too long":  {func(g *gateway) { g.sleeps(lifecycle.ReasonMaxDuration, "") }, 4410, "put to sleep", closing.Asleep},
		"it was switched off": {func(g *gateway) {
			g.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
		}, 4403, "switched off", closing.PoweredOff},
		"it was deleted":    {func(g *gateway) { g.Directory.DropSession(alice) }, 4404, "deleted", closing.Gone},
		"it was made again": {func(g *gateway) { g.change(func(s *v1alpha1.VDISession) { s.UID = "2" }) }, 4404, "deleted", closing.Gone},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			ws := g.dial("/desk", g.as(fromPage))
			g.eventually("woken", func() bool { return g.woken() == 1 })
			tc.happens(g)
			expectClosed(t, ws, tc.code, tc.text)
			if tc.why.Label != "" {
				g.expectRefusals(tc.why, 1)
			}
			g.eventually("let go", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 0 })
			if n := g.woken(); n != 1 {
				t.Errorf("woken %d times: who was turned away woke it again", n)
			}
		})
	}
}

func TestARelayedSocketIsToldThatAClockPutItsDesktopToSleep(t *testing.T) {
	g := newGateway(t)
	desktop := newDesktop(t)
	ws := g.dial("/desk", g.as(fromPage))
	g.wakes(desktop)
	say(t, ws, "hello")
	expectEcho(t, ws, "hello")
	g.sleeps(lifecycle.ReasonIdle, "")
	say(t, ws, "end")
	expectClosed(t, ws, 4410, "put to sleep")
}

func TestAfterAForcedSleepOnlyAPersonWakes(t *testing.T) {
	for reason, code := range map[lifecycle.Reason]int{lifecycle.ReasonStartup: 4408, lifecycle.ReasonMaxDuration: 4410, lifecycle.ReasonIdle: 4410} {
		t.Run(string(reason), func(t *testing.T) {
			g := newGateway(t)
			g.latency = 20 * time.Millisecond // longer than a page takes to ask for the state
			g.sleeps(reason, "because")
			expectClosed(t, g.dial("/desk", g.as(fromPage)), code, "this desktop")
			if got := g.do(http.MethodGet, "/app.js", g.as(fetching)); got.code != 503 {
				t.Errorf("a script's request got %d", got.code)
			}
			want := page.StateAsleep
			if reason == lifecycle.ReasonStartup {
				want = page.StateFailed
			}
			if got := g.status().State; got != want {
				t.Errorf("state = %s, want %s", got, want)
			}
			g.expectNothingWritten()

			if got := g.do(http.MethodGet, "/", g.as(navigating)); got.code != http.StatusAccepted {
				t.Errorf("a person got %d", got.code)
			}
			if n := g.woken(); n != 1 {
				t.Errorf("a person's visit woke it %d times", n)
			}
			if got := g.status().State; got != page.StateWaiting {
				t.Errorf("state = %s after a person asked for it", got)
			}
		})
	}
	t.Run("by a program that is no browser", func(t *testing.T) {
		g := newGateway(t)
		g.sleeps(lifecycle.ReasonIdle, "")
		g.dial("/desk", g.as(noBrowser))
		g.eventually("woken", func() bool { return g.woken() == 1 })
	})
	t.Run("but after one that nobody minded, a script does too", func(t *testing.T) {
		g := newGateway(t)
		g.sleeps(lifecycle.ReasonDisconnected, "")
		g.dial("/desk", g.as(fromPage))
		g.eventually("woken", func() bool { return g.woken() == 1 })
	})
}

func TestADesktopThatIsSwitchedOffSaysSo(t *testing.T) {
	g := newGateway(t)
	g.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	if got := g.do(http.MethodGet, "/", g.as(navigating)); got.code != 503 || !strings.Contains(got.body, closing.PoweredOff.Title) {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := g.status().State; got != page.StateOff {
		t.Errorf("state = %s", got)
	}
	expectClosed(t, g.dial("/desk", g.as(fromPage)), 4403, "switched off")
	if n := g.woken(); n != 0 {
		t.Errorf("woken %d times", n)
	}
}

func TestShutdown(t *testing.T) {
	g := newGateway(t)
	held := g.dial("/desk", g.as(fromPage))
	g.eventually("held", func() bool { return testutil.ToFloat64(g.Metrics.Held) == 1 })
	g.StopHolding()
	expectClosed(t, held, 1012, "reconnect")

	g = newGateway(t)
	relayed := g.dial("/desk", g.as(fromPage))
	g.wakes(newDesktop(t))
	say(t, relayed, "before")
	expectEcho(t, relayed, "before")
	g.StopHolding()
	say(t, relayed, "still here")
	expectEcho(t, relayed, "still here")
	grace, over := context.WithCancel(t.Context())
	drained := make(chan struct{})
	go func() { defer close(drained); g.Drain(grace) }()
	g.eventually("no more are accepted", func() bool {
		accepted := g.sockets.Enter()
		if accepted {
			g.sockets.Leave()
		}
		return !accepted
	})
	say(t, relayed, "and here")
	expectEcho(t, relayed, "and here")
	over()
	expectClosed(t, relayed, 1012, "reconnect")
	<-drained
}

func TestActivityIsReportedByPOSTWhileAwake(t *testing.T) {
	g := newGateway(t)
	if got := g.do(http.MethodGet, page.ActivityPath, g.as(fetching)); got.code != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", got.code)
	}
	if got := g.do(http.MethodPost, page.ActivityPath, g.as(fromPage)); got.code != 204 {
		t.Errorf("asleep: %d", got.code)
	}
	g.expectNothingWritten()
	g.wakes(newDesktop(t))
	for range 3 {
		if got := g.do(http.MethodPost, page.ActivityPath, g.as(fromPage)); got.code != 204 {
			t.Errorf("awake: %d", got.code)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.writes) != 1 || g.writes[0].Input.IsZero() {
		t.Errorf("written: %v, want one input", g.writes)
	}
}

func TestOurPathsNeverReachTheDesktop(t *testing.T) {
	g := newGateway(t)
	g.wakes(newDesktop(t))
	if got := g.do(http.MethodGet, "/_vdi/secret", g.as(fetching)); got.code != 404 || strings.Contains(got.body, "desktop GET") {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := g.do(http.MethodGet, "/_vdi/assets/shell.js", noBrowser); got.code != 200 {
		t.Errorf("the pages' own script: %d", got.code)
	}
}
