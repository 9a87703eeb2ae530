package signaling

import (
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/closing"
)

// selkies2Redial is longer than the 500 ms within which Selkies 2 closes a second
// connection from the same address with 4029 (selkies 3a0bc7a, selkies.py:1114).
const selkies2Redial = 600 * time.Millisecond

// Selkies2WebSockets is the stream of Selkies 2 in its WebSockets mode: one socket,
// on which the desktop speaks first.
type Selkies2WebSockets struct{}

var _ Protocol = Selkies2WebSockets{}

// Name implements Protocol.
func (Selkies2WebSockets) Name() string { return "selkies-2-websockets" }

// Claims implements Protocol, under any prefix.
func (Selkies2WebSockets) Claims(path string) bool {
	return strings.HasSuffix(strings.TrimSuffix(path, "/"), "/api/websockets")
}

// Traits implements Protocol. The client reloads its page 5 s after any close but
// 4001 or one whose reason says "superseded" (selkies-ws-core.js:5570-5643).
func (Selkies2WebSockets) Traits() Traits {
	return Traits{ReadsClient: true, Redial: selkies2Redial, Interrupted: closing.CodeRestart}
}

// Converse implements Protocol.
func (Selkies2WebSockets) Converse(Options) Conversation { return streaming{} }
