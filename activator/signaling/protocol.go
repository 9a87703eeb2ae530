// Package signaling knows the protocols that a desktop speaks with its viewer, as
// far as holding needs it: one adapter a file.
//
// An adapter says which requests are its own and what a client's first message
// must look like. It neither reads nor writes a connection.
package signaling

import (
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Protocol is one adapter. Implementations are stateless.
type Protocol interface {
	// Name is the adapter's name in logs.
	Name() string
	// Claims says whether a WebSocket upgrade at this path belongs to the protocol.
	Claims(path string) bool
	// CheckFirst returns an error, whose text is for the client, when the first
	// message cannot begin this protocol. text is false for a binary message.
	CheckFirst(text bool, message []byte) error
	// Signaling says that messages are small and few; their length is then bounded
	// for the connection's whole life, and not only while it is held.
	Signaling() bool
}

// adapters are asked in this order by ProtocolAuto; the last one claims all.
var adapters = []Protocol{Selkies1{}, Plain{}}

// For picks the adapter of a WebSocket upgrade.
func For(want v1alpha1.StreamingProtocol, path string) Protocol {
	if want == v1alpha1.ProtocolWebSocket {
		return Plain{}
	}
	for _, p := range adapters {
		if p.Claims(path) {
			return p
		}
	}
	return Plain{}
}

// AnswersTURN says whether a request for path asks for the viewer's TURN
// configuration in a way that the activator answers itself.
func AnswersTURN(want v1alpha1.StreamingProtocol, path string) bool {
	return want != v1alpha1.ProtocolWebSocket && path == selkies1TURN
}
