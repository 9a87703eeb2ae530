package signaling

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// What keeps back what a template's access policy forbids, where a desktop's stream passes here:
// Selkies 2's by WebSockets and linuxserver.io's. They tell what a message is by its first
// word, or by its first byte where it is binary. Of binary messages only those pass that are known.

// SiftBytes is how much of a message a Sifter may have to see. A gzip stream shows its first words
// within that: its header is 10 bytes, and the longest description of codes that can stand before
// them 574 (RFC 1951, section 3.2.7: 14 bits, 19 times 3, and 320 codes of 14 bits at most).
const SiftBytes = 1 << 10

// Sifter is a Conversation that keeps messages back by their beginning, whatever their length.
type Sifter interface {
	// SiftsDesktop says whether messages of the desktop are kept back too.
	SiftsDesktop() bool
	// Passes says whether a message may go on, by its first SiftBytes. It may be called at any
	// time from either side.
	Passes(fromClient bool, head Message) bool
}

// The first bytes of binary messages. Of the desktop: selkies 3a0bc7a, selkies.py:516 and :821, and
// pcmflux's header of sound, which linuxserver.io's desktops send too (selkies 348bc4f). Of the
// client: selkies 348bc4f, selkies.py:1730 and :1755, selkies 3a0bc7a, selkies.py:3218 and :3239.
const (
	soundBytes   = 0x01 // of the desktop
	fileBytes    = 0x01 // of the client
	microphone   = 0x02
	gzippedWords = 0x05
)

// clipboardIn fill the desktop's clipboard, clipboardAsk ask for what is in it (selkies 3a0bc7a,
// input_handler.py:6188-6380).
var (
	clipboardIn  = []string{"cw", "cws", "cwd", "cwe", "cb", "cbs", "cbd", "cbe"}
	clipboardAsk = []string{"cr", "REQUEST_CLIPBOARD"}
)

const (
	// clipboardOut begins all that a desktop says of its clipboard (selkies 3a0bc7a, selkies.py:944-1015).
	clipboardOut = "clipboard"
	// fileWords begins all that a client says of an upload (selkies 348bc4f, selkies.py:1973-2083).
	// Selkies 2 takes uploads by HTTP only.
	fileWords = "FILE_UPLOAD_"
	// longestWordRead bounds what is read of a text: every word above is shorter.
	longestWordRead = 32
)

// sifted is a conversation of which a policy keeps something back.
type sifted struct {
	Conversation
	policy *v1alpha1.AccessPolicy
}

var _ Sifter = sifted{}

// sift holds a streaming conversation to a policy.
func sift(c Conversation, policy *v1alpha1.AccessPolicy) Conversation {
	if !policy.Restricts() {
		return c
	}
	return sifted{c, policy}
}

// FromClient implements Conversation.
func (s sifted) FromClient(m Message) (Step, error) {
	if !s.Passes(true, m) {
		return Step{Withheld: true}, nil
	}
	return s.Conversation.FromClient(m)
}

// FromDesktop implements Conversation.
func (s sifted) FromDesktop(m Message) (Step, error) {
	if !s.Passes(false, m) {
		return Step{Withheld: true}, nil
	}
	return s.Conversation.FromDesktop(m)
}

// SiftsDesktop implements Sifter.
func (s sifted) SiftsDesktop() bool { return !s.policy.ClipboardOut() || !s.policy.Hears() }

// Passes implements Sifter.
func (s sifted) Passes(fromClient bool, m Message) bool {
	words, kind := m.Data, byte(0)
	if !m.Text {
		if len(m.Data) == 0 {
			return true
		}
		if kind = m.Data[0]; kind != gzippedWords {
			return fromClient && s.takes(kind) || !fromClient && (kind != soundBytes || s.policy.Hears())
		}
		if words = firstWords(m.Data[1:]); words == nil {
			return false
		}
	}
	words = words[:min(len(words), longestWordRead)]
	if !fromClient {
		return s.policy.ClipboardOut() || !bytes.HasPrefix(words, []byte(clipboardOut))
	}
	word, _, _ := bytes.Cut(words, []byte{','})
	switch {
	case slices.Contains(clipboardIn, string(word)):
		return s.policy.ClipboardIn()
	case slices.Contains(clipboardAsk, string(word)):
		return s.policy.ClipboardOut()
	case bytes.HasPrefix(words, []byte(fileWords)):
		return s.policy.Uploads()
	}
	return true
}

// takes says that a client's binary message of that kind may pass.
func (s sifted) takes(kind byte) bool {
	switch kind {
	case fileBytes:
		return s.policy.Uploads()
	case microphone:
		return s.policy.Speaks()
	}
	return false
}

// firstWords are the first bytes of a gzipped text; nil where they cannot be read, in which case
// nobody knows what the other side reads.
func firstWords(gzipped []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(gzipped[:min(len(gzipped), SiftBytes)]))
	if err != nil {
		return nil
	}
	r.Multistream(false) // as the desktop, which reads the first of several streams
	words, err := io.ReadAll(io.LimitReader(r, longestWordRead))
	if err != nil {
		return nil
	}
	return words
}

// linuxServerPaths begin what linuxserver.io's web server takes for its stream, below whatever folder
// and whatever follows (docker-baseimage-selkies 69f4fc9, default.conf).
const linuxServerPaths = "/websocket"

// SiftsAt says that on a WebSocket of this path what passes is known well enough to hold it to an
// access policy: here, or because it is signaling, and the rest goes by WebRTC. A path that ends as
// signaling's do leads to a stream all the same where it begins as that.
func SiftsAt(s *v1alpha1.VDISession, path string) bool {
	p := For(Streaming(s).Protocol, path)
	return p != Plain && !p.mayBeStream(path)
}

// mayBeStream says of a path that the protocol takes for signaling's that it may lead to a stream.
func (p *Protocol) mayBeStream(path string) bool {
	return p.Traits.Signaling && strings.Contains(path, linuxServerPaths)
}
