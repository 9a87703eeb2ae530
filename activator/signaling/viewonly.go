package signaling

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// What keeps somebody who may only look from more, by protocol. Where a desktop's stream passes
// here, what they say goes by a list of what is allowed, and not by one of what is forbidden: what
// a later client says is dropped until somebody has looked at it.

// viewerHello is the first word of every viewer of Selkies 2 by WebRTC, whatever their client
// says: with it the desktop takes no input of theirs by the data channel (selkies 3a0bc7a,
// signaling_server.py, hello_peer). The rest of what a client says there is its screen's.
const viewerHello = `HELLO client {"client_type":"viewer","client_slot":-1,"client_strict_viewer":true,"client_token":"",` +
	`"display_id":"primary","display_position":"right"}`

// says are the words of a viewer on a socket that carries the stream.
type says struct {
	// words are whole messages, settings that the desktop ignores of a viewer but has to hear.
	words    []string
	settings bool
}

// selkies2Says is what Selkies 2 itself takes of viewers (3a0bc7a, input_handler.py,
// VIEWER_ALLOWED_PREFIXES) but gamepads, and what measures the stream. It knows them by their
// request; see AsViewer.
var selkies2Says = says{words: []string{"START_VIDEO", "STOP_VIDEO", "START_AUDIO", "REQUEST_KEYFRAME", "pong", "_gz,1"}, settings: true}

// linuxServerSays leaves out what would stop or resize everybody's stream, since a desktop of
// linuxserver.io's may not tell viewers from others.
var linuxServerSays = says{words: []string{"START_VIDEO", "START_AUDIO", "REQUEST_KEYFRAME", "pong", "_gz,1"}}

// longestWord bounds a viewer's message, settings aside.
const longestWord = 64

// allow says that a viewer's message is passed on.
func (s says) allow(m Message) bool {
	if !m.Text {
		return false
	}
	if s.settings && bytes.HasPrefix(m.Data, []byte("SETTINGS,")) {
		return true
	}
	if len(m.Data) > longestWord {
		return false
	}
	text := string(m.Data)
	if frame, is := strings.CutPrefix(text, "CLIENT_FRAME_ACK"); is {
		return strings.Trim(frame, " 0123456789") == ""
	}
	return slices.Contains(s.words, text)
}

// watching is a streaming conversation of a viewer.
type watching struct {
	streaming
	says says
}

// FromClient implements Conversation.
func (w watching) FromClient(m Message) (Step, error) {
	if !w.says.allow(m) {
		return Step{}, nil
	}
	return toDesktop(m), nil
}

// stream is a conversation on a socket that carries the stream.
func stream(o Options, viewers says) Conversation {
	if o.ViewOnly {
		return sift(watching{says: viewers}, o.Access)
	}
	return sift(streaming{}, o.Access)
}

// AsViewer is an address as a viewer asks a desktop for it: Selkies 2 believes what role a request
// names, and takes the next controller's arrival for the former one's end.
func AsViewer(u *url.URL) *url.URL {
	out := *u
	out.RawQuery = route.WithoutQuery(u.RawQuery, "role", "slot", "token")
	if out.RawQuery != "" {
		out.RawQuery += "&"
	}
	out.RawQuery += "role=viewer"
	return &out
}

// ViewOnlyAt says that on a WebSocket of this path it can be enforced that a visitor only looks.
func ViewOnlyAt(s *v1alpha1.VDISession, path string) bool {
	p := For(Streaming(s).Protocol, path)
	known := s.Protocol()
	return p.ViewOnly && !p.mayBeStream(path) && (known == "" || known == p.named)
}

// ViewOnly says that it may be enforced of the session's desktop, as far as it is known how that
// speaks.
func ViewOnly(s *v1alpha1.VDISession) bool {
	known := s.Protocol()
	return known == "" || slices.ContainsFunc(adapters, func(a *Protocol) bool { return a.named == known && a.ViewOnly })
}
