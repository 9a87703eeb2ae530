package signaling

import (
	"encoding/base64"
	"testing"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestTheProtocolIsFoundByThePath(t *testing.T) {
	for path, want := range map[string]string{
		"/ws": "selkies-1", "/ws/": "selkies-1", "/webrtc/signalling/": "selkies-1", "/signalling": "selkies-1",
		"/any/thing/signalling/": "selkies-1",
		"/":                      "websocket", "/websockify": "websocket", "/api/webrtc/signaling/": "websocket",
		"/wss": "websocket", "/a/ws": "websocket", "/xsignalling": "websocket", "/signalling/more": "websocket",
	} {
		for _, p := range []v1alpha1.StreamingProtocol{v1alpha1.ProtocolAuto, ""} {
			if got := For(p, path).Name(); got != want {
				t.Errorf("For(%q, %s) = %s, want %s", p, path, got, want)
			}
		}
		if got := For(v1alpha1.ProtocolWebSocket, path).Name(); got != "websocket" {
			t.Errorf("told that it is a plain WebSocket, %s was taken for %s", path, got)
		}
	}
}

func TestOnlySelkiesGetsItsTURNConfigurationFromUs(t *testing.T) {
	for _, tc := range []struct {
		protocol v1alpha1.StreamingProtocol
		path     string
		want     bool
	}{
		{v1alpha1.ProtocolAuto, "/turn", true}, {v1alpha1.ProtocolSelkies1, "/turn", true}, {"", "/turn", true},
		{v1alpha1.ProtocolWebSocket, "/turn", false}, {v1alpha1.ProtocolAuto, "/turn/", false}, {v1alpha1.ProtocolAuto, "/a/turn", false},
	} {
		if got := AnswersTURN(tc.protocol, tc.path); got != tc.want {
			t.Errorf("AnswersTURN(%q, %s) = %v", tc.protocol, tc.path, got)
		}
	}
}

func TestWhatMayBeginSelkies1(t *testing.T) {
	meta := base64.StdEncoding.EncodeToString([]byte(`{"res":"1920x1080","scale":1}`))
	for _, tc := range []struct {
		text    bool
		message string
		ok      bool
	}{
		{true, "HELLO 1 " + meta, true},
		{true, "HELLO 3 " + meta, true},
		{true, "HELLO 1", true},
		{false, "HELLO 1 " + meta, false},
		{true, "", false},
		{true, "HELLO", false},
		{true, "hello 1 " + meta, false},
		{true, "HELLO 1 " + meta + " more", false},
		{true, "HELLO 1 no-base64!", false},
		{true, "HELLO 1 " + base64.StdEncoding.EncodeToString([]byte("no JSON")), false},
		{true, `{"sdp":{}}`, false},
	} {
		if err := (Selkies1{}).CheckFirst(tc.text, []byte(tc.message)); (err == nil) != tc.ok {
			t.Errorf("CheckFirst(text %v, %q) = %v", tc.text, tc.message, err)
		}
	}
	if (Plain{}).CheckFirst(false, nil) != nil {
		t.Error("a plain WebSocket may begin with anything")
	}
}
