package signaling

import (
	"github.com/org/vdi-operator/activator/closing"
)

// Plain is any WebSocket: held and replayed unread.
type Plain struct{}

var _ Protocol = Plain{}

// Name implements Protocol.
func (Plain) Name() string { return "websocket" }

// Claims implements Protocol: everything.
func (Plain) Claims(string) bool { return true }

// Traits implements Protocol. The socket may carry the video itself; what the other
// side said is lost when a desktop goes, so its close asks the client to start anew.
func (Plain) Traits() Traits { return Traits{Interrupted: closing.CodeRestart} }

// Converse implements Protocol.
func (Plain) Converse(Options) Conversation { return passing{} }

// passing is a conversation in which everything is passed on.
type passing struct{}

func (passing) FromClient(m Message) (Step, error)  { return toDesktop(m), nil }
func (passing) FromDesktop(m Message) (Step, error) { return toClient(m), nil }
func (passing) Attached()                           {}
