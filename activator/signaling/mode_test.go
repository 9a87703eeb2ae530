package signaling

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhichModeADesktopIsInFollowsFromItsProtocol(t *testing.T) {
	for protocol, want := range map[v1alpha1.StreamingProtocol]string{
		v1alpha1.ProtocolSelkies2WebRTC: `{"current_mode":"webrtc"}`, v1alpha1.ProtocolSelkies2WebSockets: `{"current_mode":"websockets"}`,
		v1alpha1.ProtocolAuto: "", "": "", v1alpha1.ProtocolSelkies1: "", v1alpha1.ProtocolLinuxServer: "",
	} {
		assert.Equal(t, want, string(ModeAnswer(protocol)), "%q", protocol)
	}
	for path, want := range map[string]bool{"/api/status": true, "/s/abc/api/status": true, "/api/status/": false, "/status": false, "/api/health": false} {
		assert.Equal(t, want, AsksMode(v1alpha1.ProtocolAuto, path), path)
	}
	for _, other := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolSelkies1, v1alpha1.ProtocolLinuxServer, v1alpha1.ProtocolWebSocket} {
		assert.False(t, AsksMode(other, "/api/status"), "%s asks for a mode", other)
	}
}
