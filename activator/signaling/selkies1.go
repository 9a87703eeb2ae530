package signaling

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// selkies1TURN is where the viewers of Selkies 1.6 ask for their TURN
// configuration: at the root, whatever the page's path (v1.6.2, app.js:825).
const selkies1TURN = "/turn"

// Peers of Selkies 1.6 that are the desktop's own: its video and its audio side, on
// sockets like a viewer's (v1.6.2, __main__.py:508-511).
const (
	selkies1VideoApp = "0"
	selkies1AudioApp = "2"
)

// A peer that is taken is turned away by the server, in its answer to HELLO (v1.6.2,
// signalling_web.py:417-422). Its client would reconnect at once, on both sockets, and
// for ever. The earlier viewer may go at any moment, and a page that is reloaded meets its
// own former sockets for an instant: the server is asked soon after, and then each second.
const (
	selkies1Taken = "invalid peer uid"
	selkies1Pause = time.Second
)

// Selkies1 is the signaling of Selkies 1.6: a viewer opens one socket for video
// (peer 1) and one for audio (peer 3), begins each with "HELLO <peer> <base64 of
// JSON>" and then waits, without any timer, for "HELLO" and the desktop's offer
// (v1.6.2, signalling_web.py:182-249 and :405-428, signalling.js:178-187).
//
// Any close makes this client reconnect (v1.6.2, webrtc.js:745-761). It calls its app by
// the first folder of its page's path, and "webrtc" where there is none (v1.6.2, app.js:53
// and :372-376); its desktops' web servers know the latter.
var Selkies1 = &Protocol{
	Name:   "selkies-1",
	named:  v1alpha1.ProtocolSelkies1,
	claims: func(path string) bool { return strings.TrimSuffix(path, "/") == "/ws" || under("/signalling")(path) },
	Traits: Traits{ReadsClient: true, ReadsDesktop: true, Signaling: true, Pipelines: true,
		SingleViewer: true, StandsStill: true, EarlyPause: selkies1Pause},
	Converse: func(o Options) Conversation { return &selkies1{selkies: selkies{negotiation: negotiation{options: o}}} },
	asksTURN: func(path string) bool { return path == selkies1TURN },
	atRoot: func(path string) string {
		if strings.TrimSuffix(path, "/") == "/signalling" {
			return "/webrtc" + path
		}
		return path
	},
}

// selkies1 is one viewer's socket: of either peer, since the two know nothing of
// each other.
type selkies1 struct {
	selkies
}

var _ Patient = (*selkies1)(nil)

// FromClient implements Conversation. After its HELLO the client has nothing to say
// until the desktop offers.
func (c *selkies1) FromClient(m Message) (Step, error) {
	if v := notText(m); v != nil {
		return Step{}, v
	}
	if !c.greeted {
		peer, ok := selkies1Peer(m.Data)
		switch {
		case !ok:
			return Step{}, closing.Protocol.Ending(`the first message must be "HELLO <peer> <base64 of JSON>"`)
		case peer == selkies1VideoApp || peer == selkies1AudioApp:
			return Step{}, closing.DesktopPeer.Ending()
		}
		return c.greet(m), nil
	}
	if saysHello(m.Data) {
		return Step{}, closing.SecondHello.Ending()
	}
	return c.negotiates(m, m.Data)
}

// FromDesktop implements Conversation.
func (c *selkies1) FromDesktop(m Message) (Step, error) {
	if !isText(m) || c.swallows(m) {
		return Step{}, nil
	}
	return Step{ToClient: replaced(m, m.Data, c.fromDesktop(m.Data))}, nil
}

// Early implements Patient. It stays true: the holder bounds how long the client
// waits.
func (c *selkies1) Early(code int, reason string) bool {
	return c.greeted && code == closing.CodeProtocol && reason == selkies1Taken
}

// selkies1Peer is the peer that a HELLO registers. The metadata is optional, as it is
// for Selkies.
func selkies1Peer(message []byte) (peer string, ok bool) {
	fields := bytes.Fields(message)
	if len(fields) < 2 || len(fields) > 3 || string(fields[0]) != hello {
		return "", false
	}
	if len(fields) == 3 {
		meta := make([]byte, base64.StdEncoding.DecodedLen(len(fields[2])))
		n, err := base64.StdEncoding.Decode(meta, fields[2])
		if err != nil || !json.Valid(meta[:n]) {
			return "", false
		}
	}
	return string(fields[1]), true
}
