package signaling

import (
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// selkies2Redial is longer than the 500 ms within which Selkies 2 closes a second
// connection from the same address with 4029 (selkies 3a0bc7a, selkies.py:1114).
const selkies2Redial = 600 * time.Millisecond

// Selkies2WebSockets is the stream of Selkies 2 in its WebSockets mode: one socket,
// on which the desktop speaks first. The client reloads its page 5 s after any close but
// 4001 or one whose reason says "superseded" (selkies-ws-core.js:5570-5643).
var Selkies2WebSockets = &Protocol{
	Name:     "selkies-2-websockets",
	named:    v1alpha1.ProtocolSelkies2WebSockets,
	claims:   under("/api/websockets"),
	mode:     "websockets",
	Traits:   Traits{ReadsClient: true, SeesInput: true, Redial: selkies2Redial},
	Converse: func(o Options) Conversation { return stream(o, selkies2Says) },
	ViewOnly: true,
}
