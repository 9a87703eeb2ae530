package signaling

import (
	"testing"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhichModeADesktopIsInFollowsFromItsProtocol(t *testing.T) {
	for protocol, want := range map[v1alpha1.StreamingProtocol]string{
		v1alpha1.ProtocolSelkies2WebRTC: `{"current_mode":"webrtc"}`, v1alpha1.ProtocolSelkies2WebSockets: `{"current_mode":"websockets"}`,
		v1alpha1.ProtocolAuto: "", "": "", v1alpha1.ProtocolSelkies1: "", v1alpha1.ProtocolLinuxServer: "",
	} {
		if got := string(ModeAnswer(protocol)); got != want {
			t.Errorf("%q: %s, want %s", protocol, got, want)
		}
	}
	for path, want := range map[string]bool{"/api/status": true, "/s/abc/api/status": true, "/api/status/": false, "/status": false, "/api/health": false} {
		if got := AsksMode(v1alpha1.ProtocolAuto, path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	for _, other := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolSelkies1, v1alpha1.ProtocolLinuxServer, v1alpha1.ProtocolWebSocket} {
		if AsksMode(other, "/api/status") {
			t.Errorf("%s asks for a mode", other)
		}
	}
}
