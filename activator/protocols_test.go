package activator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

const (
	viewerHello    = `HELLO client {"client_type":"controller"}`
	hostCandidate  = `server-1 {"ice":{"candidate":"candidate:1 1 udp 2015363327 10.42.0.17 38341 typ host","sdpMLineIndex":0}}`
	relayCandidate = `server-1 {"ice":{"candidate":"candidate:5 1 udp 16777215 198.51.100.4 50388 typ relay raddr 0.0.0.0 rport 0","sdpMLineIndex":0}}`
)

func TestAbuseOfASignalingSocketEndsItAloneAndIsCounted(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.Candidates = 2 })
	g.Wakes(newDesktop(t))
	neighbour := g.dial("/desk", g.As(fromPage))
	for why, abuse := range map[*closing.Refusal]struct {
		code int
		says []string
	}{
		closing.Protocol:    {1002, []string{"GOODBYE"}},
		closing.SecondHello: {1002, []string{viewerHello, viewerHello}},
		closing.DesktopPeer: {1008, []string{"HELLO server"}},
		closing.SDP:         {1002, []string{viewerHello, `server-1 {"sdp":{"type":"answer","sdp":"?"}}`}},
		closing.Candidate:   {1002, []string{viewerHello, `server-1 {"ice":{"candidate":"?"}}`}},
		closing.Candidates:  {1008, []string{viewerHello, hostCandidate, hostCandidate, hostCandidate}},
		closing.Encoding:    {1007, []string{viewerHello, "\xff"}},
	} {
		ws := g.dial("/api/webrtc/signaling/", g.As(fromPage))
		for _, m := range abuse.says {
			say(t, ws, m)
		}
		expectClosed(t, ws, abuse.code, "")
		g.ExpectRefusals(why, 1)
	}
	ws := g.dial("/webrtc/signalling/", g.As(fromPage))
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte("HELLO 1")))
	expectClosed(t, ws, 1003, "binary")
	g.ExpectRefusals(closing.Binary, 1)

	say(t, neighbour, "still here")
	expectEcho(t, neighbour, "still here")
}

func TestATemplatesICEPolicyHoldsForItsVisitorsMessages(t *testing.T) {
	g := newGateway(t)
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.Streaming = &v1alpha1.StreamingSpec{ICEPolicy: v1alpha1.ICEPolicyRelay}
	})
	g.Wakes(newDesktop(t))
	ws := g.dial("/api/webrtc/signaling/", g.As(fromPage))
	for _, m := range []string{viewerHello, hostCandidate, relayCandidate} {
		say(t, ws, m)
	}
	// The first answer may be ours; what came behind the host candidate follows it.
	for _, m, err := ws.ReadMessage(); ; _, m, err = ws.ReadMessage() {
		switch said := string(m); {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(said, "typ host"):
			t.Fatalf("passed under policy relay: %s", said)
		case said == "echo "+relayCandidate:
			return
		}
	}
}

func TestInputOnAStreamKeepsTheDesktopAwake(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	ws := g.dial("/api/websockets", g.As(fromPage))
	for _, m := range []string{"SETTINGS,{}", "CLIENT_FRAME_ACK 1", "kr"} {
		say(t, ws, m)
		expectEcho(t, ws, m)
	}
	assert.Equal(t, 0, g.Inputs(), "inputs were recorded before anybody typed")
	say(t, ws, "kd,65")
	expectEcho(t, ws, "kd,65")
	eventually.Equal(g.T, "the input is recorded", 1, g.Inputs)
}

// watched is how often it was written that input is watched.
func (g *gateway) watched() int {
	return g.Count(func(a record.Activity) bool { return !a.Watched.IsZero() })
}

func TestWhereInputPassesItIsWatchedFromTheFirstLiveViewerOn(t *testing.T) {
	for path, want := range map[string]int{"/websockets": 1, "/api/websockets": 1, "/desk": 0} {
		t.Run(path, func(t *testing.T) {
			g := newGateway(t)
			g.Wakes(newDesktop(t))
			for range 2 {
				ws := g.dial(path, g.As(fromPage))
				say(t, ws, "hello")
				expectEcho(t, ws, "hello")
				eventually.Equal(t, "that input is watched is written", want, g.watched)
			}
			time.Sleep(100 * time.Millisecond) // in which a second write would come
			assert.Equal(t, want, g.watched(), "writes")
		})
	}
}
