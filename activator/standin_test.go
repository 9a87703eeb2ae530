package activator_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/agent/standin"
	"github.com/org/vdi-operator/pkg/agent/standin/standintest"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// screen is what a page says of its frame, and helloOfScreen what the client there says.
	screen        = "&screen=1280x720@1"
	helloOfScreen = " eyJyZXMiOiIxMjgweDcyMCIsInNjYWxlIjoxfQ=="
)

// besides is a Selkies 1.6 with an agent beside it, in the pod of a gateway's session.
type besides struct {
	*gateway
	desktop *standintest.Selkies
	// announces is what the agent says to all replicas.
	announces func(stands bool)
	// kill ends the agent and its connections.
	kill func()
}

func withStandIn(t *testing.T, how ...func(*config.Config)) *besides {
	t.Helper()
	b := &besides{gateway: newGateway(t, how...), desktop: standintest.New(t, nil)}
	b.Speaks(v1alpha1.ProtocolSelkies1)
	return b
}

// comes is what kubelet records of the pod, and what its agent announces to all replicas.
func (b *besides) comes() {
	b.T.Helper()
	b.Wakes(b.desktop.Server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.T, err)
	b.announces = func(stands bool) {
		said := directory.Announcement{Pod: "p", Address: netip.MustParseAddr("127.0.0.1"), Listening: true,
			AgentPort: uint16(l.Addr().(*net.TCPAddr).Port), StandsIn: stands}
		for _, dir := range b.Directories() {
			assert.NoError(b.T, dir.Announce(alice, said))
		}
	}
	k := standin.New(standin.Options{Ports: []uint16{b.desktop.Port()}, Standing: b.announces, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Serve(ctx, l)
	}()
	b.kill = func() {
		cancel()
		b.desktop.BreakOff()
		<-done
	}
	b.T.Cleanup(b.kill)
	b.announces(false)
}

func (b *besides) stands() bool {
	view, _ := b.Directory.View(alice)
	return view.Pod != nil && view.Pod.StandsIn
}

// client opens one of a client's sockets at a replica, and says its HELLO.
func (g *gateway) client(uid string) *websocket.Conn {
	g.T.Helper()
	c := g.dial("/webrtc/signalling/", g.As(fromPage))
	say(g.T.(*testing.T), c, "HELLO "+uid+helloOfScreen)
	_ = c.SetReadDeadline(time.Now().Add(enough))
	return c
}

func hears(t *testing.T, c *websocket.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		_, m, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, w, string(m))
	}
}

func (g *gateway) stoodIn(end agentapi.End) func() float64 {
	return value(g.Metrics.StandIns.WithLabelValues(string(end)))
}

const (
	offer     = `{"sdp":{"type":"offer","sdp":"v=0\r\no=- 0 0 IN IP4 10.0.0.9\r\ns=-\r\nt=0 0\r\na=candidate:1 1 udp 1 10.0.0.9 5 typ host\r\n"}}`
	candidate = `{"ice":{"candidate":"candidate:1 1 udp 1 10.0.0.9 5 typ relay raddr 10.0.0.1 rport 9","sdpMLineIndex":0}}`
)

func TestAPagesClientTakesThePlaceOfItsStandInWithAllThatTheDesktopSaid(t *testing.T) {
	for name, replicas := range map[string]int{"at the page's replica": 1, "at another one": 2} {
		t.Run(name, func(t *testing.T) {
			b := withStandIn(t)
			at := b.gateway
			if replicas == 2 {
				at = b.another()
			}
			shown := b.openBy(b.As(fetching), one+screen)
			defer shown.close()
			b.comes()
			eventually.Equal(t, "the desktop has its viewer", 2, b.desktop.Registered)
			assert.ElementsMatch(t, []string{"HELLO 1" + helloOfScreen, "HELLO 3" + helloOfScreen}, b.desktop.Said())
			b.desktop.Say(t, "1", offer)
			eventually.True(t, "announced", b.stands)

			video, audio := at.client("1"), at.client("3")
			hears(t, video, "HELLO", offer)
			hears(t, audio, "HELLO")
			b.desktop.Say(t, "1", candidate)
			hears(t, video, candidate)
			answer := `{"ice":null}`
			say(t, video, answer)
			eventually.True(t, "the desktop hears the client", func() bool { return slices.Equal(b.desktop.Heard("1"), []string{answer}) })
			eventually.Equal(t, "taken over", 1, b.stoodIn(agentapi.EndTaken))
			assert.Len(t, b.desktop.Said(), 2, "nobody else registered")
			_ = video.Close()
			eventually.Equal(t, "the client's end is the desktop's", 1, b.desktop.Registered)
		})
	}
}

func TestWhatAStandInWasToldIsHeldToTheICEPolicyWhenItIsPlayed(t *testing.T) {
	b := withStandIn(t, func(c *config.Config) { c.TURN.ICEPolicy = "relay" })
	shown := b.openBy(b.As(fetching), one+screen)
	defer shown.close()
	b.comes()
	eventually.Equal(t, "the desktop has its viewer", 2, b.desktop.Registered)
	eventually.True(t, "announced", b.stands)
	b.desktop.Say(t, "1", offer)
	b.desktop.Say(t, "1", "{\"ice\":{\"candidate\":\"candidate:1 1 udp 1 10.0.0.9 5 typ host\",\"sdpMLineIndex\":0}}")
	b.desktop.Say(t, "1", candidate)
	video := b.client("1")
	hears(t, video, "HELLO")
	_, m, err := video.ReadMessage()
	require.NoError(t, err)
	assert.NotContains(t, string(m), "10.0.0.9", "the offer")
	_, m, err = video.ReadMessage()
	require.NoError(t, err)
	assert.Contains(t, string(m), "raddr 0.0.0.0", "the relay's candidate")
}

func TestNobodyStandsInForWhoOnlyLooksNorWhereTheDesktopNeedsNone(t *testing.T) {
	for name, tc := range map[string]struct {
		how  func(*config.Config)
		ask  func(*besides) (http.Header, string)
		then func(*besides)
	}{
		"a page that does not say its screen": {ask: func(b *besides) (http.Header, string) { return b.As(fetching), one }},
		"a screen that cannot be":             {ask: func(b *besides) (http.Header, string) { return b.As(fetching), one + "&screen=0x1@x" }},
		"it is switched off":                  {how: func(c *config.Config) { c.Limits.StandInTime.Duration = 0 }},
		"another protocol":                    {then: func(b *besides) { b.Speaks(v1alpha1.ProtocolSelkies2WebRTC) }},
		"another page shows it": {then: func(b *besides) {
			require.Equal(t, http.StatusNoContent, b.take(two).code)
		}},
		"somebody who may only look": {ask: func(b *besides) (http.Header, string) {
			_, grant := b.shares(v1alpha1.ShareViewer, 0)
			return b.visiting(fetching, "share/guest", grant), one + screen
		}},
	} {
		t.Run(name, func(t *testing.T) {
			how := []func(*config.Config){}
			if tc.how != nil {
				how = append(how, tc.how)
			}
			b := withStandIn(t, how...)
			if tc.then != nil {
				tc.then(b)
			}
			who, parameters := b.As(fetching), one+screen
			if tc.ask != nil {
				who, parameters = tc.ask(b)
			}
			b.comes()
			shown := b.openBy(who, parameters)
			shown.until("it is told of the desktop", func(s page.Status) bool { return s.State == page.StateReady || s.State == page.StateElsewhere })
			shown.close()
			assert.Empty(t, b.desktop.Said())
			for _, end := range []agentapi.End{agentapi.EndTaken, agentapi.EndGivenBack, agentapi.EndRefused, metrics.StandInFailed} {
				assert.Zero(t, testutil.ToFloat64(b.Metrics.StandIns.WithLabelValues(string(end))), end)
			}
		})
	}
}

func TestTheNextClientGetsInWhereTheAgentIsKilled(t *testing.T) {
	b := withStandIn(t)
	shown := b.openBy(b.As(fetching), one+screen)
	defer shown.close()
	b.comes()
	eventually.True(t, "it stands in", b.stands)
	b.kill()
	b.announces(true) // as the dead agent said last
	video := b.client("1")
	hears(t, video, "HELLO")
	eventually.Equal(t, "the client registered itself", 1, b.desktop.Registered)
	b.desktop.Say(t, "1", offer)
	hears(t, video, offer)
}

func TestTheNextClientGetsInWhereThePagesReplicaIsKilled(t *testing.T) {
	b := withStandIn(t)
	other := b.another()
	shown := b.openBy(b.As(fetching), one+screen)
	b.comes()
	eventually.Equal(t, "the desktop has its viewer", 2, b.desktop.Registered)
	eventually.True(t, "announced", b.stands)
	b.desktop.Say(t, "1", offer)
	shown.close()
	video := other.client("1")
	hears(t, video, "HELLO", offer)
	eventually.Equal(t, "the place that nobody wants is given back", 1, b.desktop.Registered)
	audio := other.client("3")
	hears(t, audio, "HELLO")
	eventually.Equal(t, "the client registered itself", 2, b.desktop.Registered)
}
