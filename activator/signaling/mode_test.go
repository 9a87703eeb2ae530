package signaling

import (
	"testing"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhichModeADesktopIsInIsAnsweredByItsLastWordOrItsTemplate(t *testing.T) {
	const webrtc, websockets = `{"current_mode": "webrtc", "available_modes": ["webrtc", "websockets"], "enable_dual_mode": true}`, `{"current_mode":"websockets"}`
	for name, tc := range map[string]struct {
		want       v1alpha1.StreamingProtocol
		last, says string
	}{
		"its last word":                      {v1alpha1.ProtocolAuto, webrtc, webrtc},
		"nothing is known":                   {v1alpha1.ProtocolAuto, "", ""},
		"it had no mode":                     {v1alpha1.ProtocolAuto, `{"current_mode": null}`, ""},
		"it spoke something else":            {v1alpha1.ProtocolAuto, `<html>`, ""},
		"the template's word":                {v1alpha1.ProtocolSelkies2WebRTC, "", `{"current_mode":"webrtc"}`},
		"both say the same":                  {v1alpha1.ProtocolSelkies2WebRTC, webrtc, webrtc},
		"the template has changed since":     {v1alpha1.ProtocolSelkies2WebRTC, websockets, `{"current_mode":"webrtc"}`},
		"the template has changed, in turn":  {v1alpha1.ProtocolSelkies2WebSockets, webrtc, websockets},
		"the template's, and no mode before": {v1alpha1.ProtocolSelkies2WebSockets, `{"current_mode": null}`, websockets},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(AnswerMode(tc.want, []byte(tc.last))); got != tc.says {
				t.Errorf("says %s, want %s", got, tc.says)
			}
			if tc.says != "" && !NamesMode([]byte(tc.says)) {
				t.Error("names no mode")
			}
		})
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
