package signaling

import (
	"cmp"
	"time"
	"unicode/utf8"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// Message is one WebSocket message.
type Message struct {
	// Text is false for a binary message.
	Text bool
	// Data may be shared between what came and what follows from it: do not change it.
	Data []byte
}

// Step is what follows from one message. Slices in it are the receiver's.
type Step struct {
	// ToDesktop goes to the desktop, in order. From the client's messages it is kept
	// while there is no desktop, and replayed to a new one as long as nothing of
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
	// Withheld says that an access policy keeps the message back.
	Withheld bool
}

// Conversation follows one viewer's socket. Its caller serialises the calls.
type Conversation interface {
	// FromClient says what follows from a message of the client. An error is a
	// *closing.Ending and ends the connection.
	FromClient(Message) (Step, error)
	// FromDesktop says what follows from a message of the desktop. An error is a
	// *closing.Ending and ends the connection.
	FromDesktop(Message) (Step, error)
	// Attached says that a desktop's socket is open, the first or a new one, which
	// gets everything from the start.
	Attached()
}

// Patient is a Conversation whose desktop may turn a client away for the moment at which
// it comes.
type Patient interface {
	// Early says whether a desktop that closed before its first message has to be
	// asked another time, because another client has to come, or to go, first. It is called
	// once for each close. The hold's end bounds the wait.
	Early(code int, reason string) bool
}

// Options are what an installation and a session's template want of a conversation.
type Options struct {
	// ICEPolicy lets every candidate pass, or those of the TURN server only.
	ICEPolicy v1alpha1.ICEPolicy
	// MaxCandidates is how many candidates each side may name on one connection; 0
	// sets no bound.
	MaxCandidates int
	// ViewOnly says that the client is somebody's who may only look.
	ViewOnly bool
	// Access is the template's policy; nil lets everything pass.
	Access *v1alpha1.AccessPolicy
}

// OptionsFor joins what the session's template says with what the installation says.
func OptionsFor(s v1alpha1.StreamingSpec, c config.Config) Options {
	return Options{ICEPolicy: ICEPolicyFor(s, c.TURN), MaxCandidates: c.Limits.Candidates}
}

// ICEPolicyFor is the template's policy, or else the installation's.
func ICEPolicyFor(s v1alpha1.StreamingSpec, c config.TURN) v1alpha1.ICEPolicy {
	return cmp.Or(s.ICEPolicy, v1alpha1.ICEPolicy(c.ICEPolicy))
}

// toDesktop and toClient are the step that passes one message on.
func toDesktop(m Message) Step { return Step{ToDesktop: []Message{m}} }
func toClient(m Message) Step  { return Step{ToClient: []Message{m}} }

// isText says that a message can be taken on a signaling socket. WebSocket libraries
// do not all check the encoding, and a browser or a desktop breaks a connection off
// for it.
func isText(m Message) bool { return m.Text && utf8.Valid(m.Data) }

// notText is the ending for anything else; nil for text.
func notText(m Message) error {
	switch {
	case isText(m):
		return nil
	case !m.Text:
		return closing.Binary.Ending()
	}
	return closing.Encoding.Ending()
}
