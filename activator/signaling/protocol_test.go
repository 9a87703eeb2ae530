package signaling

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func TestTheProtocolIsFoundByThePath(t *testing.T) {
	for path, want := range map[string]*Protocol{
		"/ws": Selkies1, "/ws/": Selkies1, "/webrtc/signalling/": Selkies1, "/signalling": Selkies1, "/any/thing/signalling/": Selkies1,
		"/api/webrtc/signaling": Selkies2WebRTC, "/api/webrtc/signaling/": Selkies2WebRTC, "/s/ada/api/webrtc/signaling/": Selkies2WebRTC,
		"/api/websockets": Selkies2WebSockets, "/api/websockets/": Selkies2WebSockets, "/s/ada/api/websockets": Selkies2WebSockets,
		"/websockets": LinuxServer, "/desk/websockets": LinuxServer, "/websockets/": LinuxServer,
		"/": Plain, "/websockify": Plain, "/wss": Plain, "/a/ws": Plain, "/api/ws": Plain, "/xsignalling": Plain, "/signalling/more": Plain,
		"/signaling": Plain, "/xapi/webrtc/signaling": Plain, "/api/websockets/more": Plain, "/xwebsockets": Plain, "": Plain,
	} {
		for _, auto := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolAuto, ""} {
			got := For(auto, path)
			assert.Same(t, want, got, "For(%q, %s) = %s, want %s", auto, path, got.Name, want.Name)
		}
		got := For(v1alpha1.ProtocolWebSocket, path)
		assert.Same(t, Plain, got, "told that it is a plain WebSocket, %s was taken for %s", path, got.Name)
	}
}

func TestANamedProtocolLeavesOtherPathsToPlainWebSocket(t *testing.T) {
	for _, tc := range []struct {
		named v1alpha1.StreamingProtocol
		path  string
		want  *Protocol
	}{
		{v1alpha1.ProtocolSelkies1, "/ws", Selkies1}, {v1alpha1.ProtocolSelkies1, "/api/websockets", Plain},
		{v1alpha1.ProtocolSelkies2WebRTC, "/api/webrtc/signaling/", Selkies2WebRTC}, {v1alpha1.ProtocolSelkies2WebRTC, "/ws", Plain},
		{v1alpha1.ProtocolSelkies2WebSockets, "/api/websockets", Selkies2WebSockets}, {v1alpha1.ProtocolSelkies2WebSockets, "/websockets", Plain},
		{v1alpha1.ProtocolLinuxServer, "/websockets", LinuxServer}, {v1alpha1.ProtocolLinuxServer, "/api/websockets", Plain},
	} {
		got := For(tc.named, tc.path)
		assert.Same(t, tc.want, got, "For(%s, %s) = %s, want %s", tc.named, tc.path, got.Name, tc.want.Name)
	}
}

func TestOnlyWebRTCClientsOfSelkiesGetTheirTURNConfigurationFromUs(t *testing.T) {
	for _, tc := range []struct {
		protocol v1alpha1.StreamingProtocol
		path     string
		want     bool
	}{
		{v1alpha1.ProtocolAuto, "/turn", true}, {v1alpha1.ProtocolSelkies1, "/turn", true}, {"", "/turn", true},
		{v1alpha1.ProtocolAuto, "/turn/", false}, {v1alpha1.ProtocolAuto, "/a/turn", false}, {v1alpha1.ProtocolSelkies2WebRTC, "/turn", false},
		{v1alpha1.ProtocolAuto, "/api/turn", true}, {v1alpha1.ProtocolSelkies2WebRTC, "/api/turn", true},
		{v1alpha1.ProtocolSelkies2WebRTC, "/s/ada/api/turn", true}, {v1alpha1.ProtocolSelkies1, "/api/turn", false},
		{v1alpha1.ProtocolWebSocket, "/turn", false}, {v1alpha1.ProtocolWebSocket, "/api/turn", false},
		{v1alpha1.ProtocolSelkies2WebSockets, "/api/turn", false}, {v1alpha1.ProtocolLinuxServer, "/turn", false},
	} {
		assert.Equal(t, tc.want, AnswersTURN(tc.protocol, tc.path), "AnswersTURN(%q, %s)", tc.protocol, tc.path)
	}
}

func TestATemplatesICEPolicyComesBeforeTheInstallations(t *testing.T) {
	c := config.Default()
	c.TURN.ICEPolicy, c.Limits.Candidates = "relay", 7
	for set, want := range map[v1alpha1.ICEPolicy]v1alpha1.ICEPolicy{"": "relay", "relay": "relay", "all": "all"} {
		assert.Equal(t, Options{ICEPolicy: want, MaxCandidates: 7}, OptionsFor(v1alpha1.StreamingSpec{ICEPolicy: set}, c),
			"with %q in the template, want %s", set, want)
	}
}

func TestSelkies2IsNotAskedAgainTooSoon(t *testing.T) {
	pause := Selkies2WebSockets.Traits.Redial
	assert.False(t, pause <= 500e6, "Selkies 2 closes what comes again within 500 ms, and we come after %s", pause)
}

func TestADesktopIsKnownByItsClientsPath(t *testing.T) {
	for path, want := range map[string]v1alpha1.StreamingProtocol{
		"/webrtc/signalling/": v1alpha1.ProtocolSelkies1, "/ws": v1alpha1.ProtocolSelkies1, "/api/webrtc/signaling/": v1alpha1.ProtocolSelkies2WebRTC,
		"/api/websockets": v1alpha1.ProtocolSelkies2WebSockets, "/websockets": v1alpha1.ProtocolLinuxServer, "/websockify": "", "/": "",
	} {
		assert.Equal(t, want, Recognise(path), path)
	}
	one := TraitsOf(v1alpha1.ProtocolSelkies1)
	require.True(t, one.SingleViewer)
	assert.True(t, one.StandsStill, "Selkies 1.6: %+v", one)
	for _, other := range []v1alpha1.StreamingProtocol{"", v1alpha1.ProtocolAuto, v1alpha1.ProtocolWebSocket, v1alpha1.ProtocolSelkies2WebRTC} {
		traits := TraitsOf(other)
		require.False(t, traits.SingleViewer, "%q", other)
		assert.False(t, traits.StandsStill, "%q: %+v", other, traits)
	}
}
