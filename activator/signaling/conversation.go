package signaling

import (
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/pkg/metrics"
)

// Message is one WebSocket message.
type Message struct {
	// Text is false for a binary message.
	Text bool
	// Data may be shared between what came and what follows from it: nobody changes it.
	Data []byte
}

// Step is what follows from one message. Slices in it are the receiver's.
type Step struct {
	// ToDesktop goes to the desktop, in order. From the client's messages it is kept
	// while there is no desktop, and played again to a new one as long as nothing of
	// the first has been passed on; what follows from a desktop's message is for
	// that very desktop.
	ToDesktop []Message
	// After is how long to wait before ToDesktop is sent: a retry of our own, which
	// ends with the desktop's connection.
	After time.Duration
	// ToClient goes to the client at once.
	ToClient []Message
	// Input says that a person typed or moved the pointer.
	Input bool
}

// Conversation follows one viewer's socket. Its caller serialises the calls.
type Conversation interface {
	// FromClient says what follows from a message of the client. An error is a
	// *Violation and ends the connection.
	FromClient(Message) (Step, error)
	// FromDesktop says what follows from a message of the desktop. An error is a
	// *Violation and ends the connection.
	FromDesktop(Message) (Step, error)
	// Attached says that a desktop's socket is open, the first or a new one, which
	// gets everything from the start.
	Attached()
}

// Options are what an installation and a session's template want of a conversation.
type Options struct {
	// ICEPolicy is all, or relay to let no other candidates pass. Empty is all.
	ICEPolicy string
	// MaxCandidates is how many candidates each side may name on one connection; 0
	// for no bound.
	MaxCandidates int
}

// Violation is a client's breach of its protocol: how its connection is closed and
// what that counts as.
type Violation struct {
	// Code is the WebSocket close code.
	Code int
	// Reason is for the person; it names no secret and fits a close frame.
	Reason  string
	Refusal metrics.Refusal
}

// Error implements error.
func (v *Violation) Error() string { return v.Reason }

func protocolError(refusal metrics.Refusal, reason string) *Violation {
	return &Violation{Code: websocket.CloseProtocolError, Reason: reason, Refusal: refusal}
}
