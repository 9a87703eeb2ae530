package signaling

import "github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"

// Plain is any WebSocket: held and replayed unread.
var Plain = &Protocol{
	Name:     "websocket",
	named:    v1alpha1.ProtocolWebSocket,
	claims:   func(string) bool { return true },
	Converse: func(Options) Conversation { return passing{} },
}

// passing is a conversation in which everything is passed on.
type passing struct{}

func (passing) FromClient(m Message) (Step, error)  { return toDesktop(m), nil }
func (passing) FromDesktop(m Message) (Step, error) { return toClient(m), nil }
func (passing) Attached()                           {}
