// Package signaling knows the protocols that a desktop speaks with its viewer, as
// far as holding and relaying need it: one adapter a file.
//
// An adapter says which requests are its own, what follows from each message, what
// may be answered before the desktop is there, and what of the desktop's the client
// then already has. It neither reads nor writes a connection, keeps no clock and
// starts no goroutine.
package signaling

import (
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Protocol is one adapter. It keeps nothing of a connection.
type Protocol struct {
	// Name is the adapter's name in logs, named the protocol's in a template.
	Name  string
	named v1alpha1.StreamingProtocol
	// claims says whether a WebSocket upgrade at this path belongs to the protocol.
	claims func(path string) bool
	// Traits say how the protocol's connections have to be treated.
	Traits Traits
	// Converse begins to follow one viewer's socket.
	Converse func(Options) Conversation
	// asksTURN says that a request asks the desktop for a TURN configuration; nil where
	// no client does.
	asksTURN func(path string) bool
	// atRoot is the path that a client would have asked for from a page at the root of its
	// host; nil where that is the path below its folder.
	atRoot func(path string) string
	// Subprotocols are what its desktops choose if it is offered, best first.
	Subprotocols []string
	// ViewOnly says that a viewer can be kept from typing: here, or by what the desktop is told.
	ViewOnly bool
	// mode is the protocol's name among those of which its desktop speaks one at a time,
	// and the client asks which before it opens anything; empty where there is only one.
	mode string
}

// Traits say how a protocol's connections have to be treated.
type Traits struct {
	// ReadsClient and ReadsDesktop are the directions that a Conversation must read
	// once the desktop is there; the other passes as bytes. While there is no
	// desktop every message of the client is shown to the Conversation.
	ReadsClient, ReadsDesktop bool
	// Signaling says that messages are small and few; their length is then bounded
	// for the connection's life, and not only while it is held.
	Signaling bool
	// Pipelines says that the desktop takes messages written right behind the
	// upgrade request, before it has answered.
	Pipelines bool
	// Redial is the least pause between two upgrade attempts at a desktop; 0 for none.
	Redial time.Duration
	// SeesInput says that a person's input comes by messages of the client.
	SeesInput bool
	// SingleViewer says that the desktop has room for one viewer, turns every other one
	// away and says so to none of them: who views has to be settled before it.
	SingleViewer bool
	// StandsStill says that the desktop answers nothing for seconds at a time while it has
	// no viewer: its client's files are better had from elsewhere.
	StandsStill bool
	// EarlyPause is the longest pause before a desktop that turned its client away early
	// (see Patient) is asked once more; 0 leaves it to the holder.
	EarlyPause time.Duration
}

// adapters are every protocol. Auto asks them in this order; the last one claims all.
var adapters = []*Protocol{Selkies1, Selkies2WebRTC, Selkies2WebSockets, LinuxServer, Plain}

// For picks the adapter of a WebSocket upgrade: the one wanted if it claims the
// path, under Auto the first that does, and otherwise Plain.
func For(want v1alpha1.StreamingProtocol, path string) *Protocol {
	for _, a := range adapters {
		if a.allowed(want) && a.claims(path) {
			return a
		}
	}
	return Plain
}

// TraitsOf are the traits of a protocol that is named; none of Auto, nor of a desktop of
// which nothing is known.
func TraitsOf(named v1alpha1.StreamingProtocol) Traits {
	for _, a := range adapters {
		if a.named == named {
			return a.Traits
		}
	}
	return Traits{}
}

// Recognise names the protocol of a client that upgrades this path; empty where the path
// is no protocol's own and so says nothing of the desktop.
func Recognise(path string) v1alpha1.StreamingProtocol {
	if a := For("", path); a != Plain {
		return a.named
	}
	return ""
}

// AnswersTURN says whether a request for path asks for the viewer's TURN
// configuration in a way that the activator answers itself.
func AnswersTURN(want v1alpha1.StreamingProtocol, path string) bool {
	return slices.ContainsFunc(adapters, func(a *Protocol) bool { return a.asksTURN != nil && a.allowed(want) && a.asksTURN(path) })
}

// AtRoot is the path that a client would have upgraded, had its page been at the root of
// its host. The page was in a folder there, and path is what is below that.
func AtRoot(want v1alpha1.StreamingProtocol, path string) string {
	if a := For(want, path); a.atRoot != nil {
		return a.atRoot(path)
	}
	return path
}

func (p *Protocol) allowed(want v1alpha1.StreamingProtocol) bool {
	return want == p.named || want == v1alpha1.ProtocolAuto || want == ""
}

// under claims a path below any prefix, with or without a slash at its end.
func under(path string) func(string) bool {
	return func(asked string) bool { return strings.HasSuffix(strings.TrimSuffix(asked, "/"), path) }
}
