package signaling

import (
	"encoding/json"
	"strings"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// moded is a protocol of a desktop that speaks one of several at a time, and whose client
// asks which before it opens anything.
type moded interface {
	// mode is the protocol's name in the answer.
	mode() string
}

// Selkies 2 reports its mode at /api/status. Its client waits 2 s for that, and then takes
// the mode that it was in last, or the one by WebSockets (selkies 3a0bc7a,
// stream_server.py:1380 and selkies-dashboard, main.jsx:20-46).
const selkies2Status = "/api/status"

func (Selkies2WebRTC) mode() string     { return "webrtc" }
func (Selkies2WebSockets) mode() string { return "websockets" }

var (
	_ moded = Selkies2WebRTC{}
	_ moded = Selkies2WebSockets{}
)

// AsksMode says whether a request for path asks a desktop of the wanted protocol which
// mode it is in.
func AsksMode(want v1alpha1.StreamingProtocol, path string) bool {
	if !strings.HasSuffix(path, selkies2Status) {
		return false
	}
	for _, a := range adapters {
		if _, is := a.Protocol.(moded); is && allowed(want, a.named) {
			return true
		}
	}
	return false
}

// ModeAnswer is the answer in the place of a desktop of that protocol; nil where its
// clients ask for no mode.
func ModeAnswer(p v1alpha1.StreamingProtocol) []byte {
	for _, a := range adapters {
		if its, is := a.Protocol.(moded); is && a.named == p {
			answer, _ := json.Marshal(map[string]string{"current_mode": its.mode()}) // strings can be written
			return answer
		}
	}
	return nil
}
