package signaling

import "github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"

// Plain is any WebSocket: held and replayed unread. noVNC before 1.2 offers "binary", and
// older ones "base64" too: websockify and libvncserver choose "binary" wherever it is
// offered. Later ones offer nothing, as the clients of Selkies and linuxserver.io do.
var Plain = &Protocol{
	Name:     "websocket",
	named:    v1alpha1.ProtocolWebSocket,
	claims:   func(string) bool { return true },
	Converse: func(Options) Conversation { return passing{} },

	Subprotocols: []string{"binary"},
}

// passing is a conversation in which everything is passed on.
type passing struct{}

func (passing) FromClient(m Message) (Step, error)  { return toDesktop(m), nil }
func (passing) FromDesktop(m Message) (Step, error) { return toClient(m), nil }
func (passing) Attached()                           {}
