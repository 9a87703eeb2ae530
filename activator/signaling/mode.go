package signaling

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Selkies 2 reports its mode at /api/status. Its client waits 2 s for that, and then takes
// the mode that it was in last, or the one by WebSockets (selkies 3a0bc7a,
// stream_server.py:1380 and selkies-dashboard, main.jsx:20-46).
const selkies2Status = "/api/status"

// AsksMode says whether a request for path asks a desktop of the wanted protocol which
// mode it is in.
func AsksMode(want v1alpha1.StreamingProtocol, path string) bool {
	return strings.HasSuffix(path, selkies2Status) &&
		slices.ContainsFunc(adapters, func(a *Protocol) bool { return a.mode != "" && a.allowed(want) })
}

// ModeAnswer is the answer in the place of a desktop of that protocol; nil where its
// clients ask for no mode.
func ModeAnswer(p v1alpha1.StreamingProtocol) []byte {
	for _, a := range adapters {
		if a.mode != "" && a.named == p {
			answer, _ := json.Marshal(map[string]string{"current_mode": a.mode}) // strings can be written
			return answer
		}
	}
	return nil
}
