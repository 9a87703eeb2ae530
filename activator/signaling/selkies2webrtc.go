package signaling

import (
	"bytes"
	"strings"
	"time"

	"sigs.k8s.io/json"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// What the two sides of Selkies 2 say beside HELLO (selkies 3a0bc7a,
// signaling.js:305-344 and signaling_server.py:500-546).
const (
	selkies2Call    = "SESSION server"
	selkies2NoPeer  = "ERROR peer server not found"
	selkies2Viewer  = "viewer"
	selkies2Control = "controller"
)

// selkies2Again is how long a call that found no streamer is put off: the streamer
// joins its own web server a moment after that listens. The client itself would wait
// for 1 s (signaling.js:325).
const selkies2Again = 200 * time.Millisecond

// Selkies 2 admits a viewer only while there is a controller (signaling_server.py:923),
// and its client stays down after 4000. Clients that were held together are played
// together, in any order: selkies2Early times a viewer is replayed, with the
// pauses of a desktop that went, 6 s in all.
const (
	selkies2Rejected     = 4000
	selkies2NoController = "No controller detected."
	selkies2Early        = 6
)

// Selkies2WebRTC is the signaling of Selkies 2: one socket, on which the client says
// "HELLO client <JSON>", calls with "SESSION server" and then gets the desktop's
// offer. What is relayed has the other side's name before it.
//
// /api/ws, which Selkies 2 has for its own streamer, is not claimed: it is another
// desktop's path too, neko's. The client reconnects after any close but 4000 and 4001,
// which are the desktop's verdicts (signaling.js, _onServerClose). It asks for its TURN
// configuration by the page's directory (selkies-wr-core.js:2579).
//
// It does not pipeline: where Selkies 2 answers 409, for its other mode, or 503,
// aiohttp takes what follows the request for another one and breaks off without that
// answer (tried with 3.8.4).
var Selkies2WebRTC = &Protocol{
	Name:     "selkies-2-webrtc",
	named:    v1alpha1.ProtocolSelkies2WebRTC,
	claims:   under("/api/webrtc/signaling"),
	mode:     "webrtc",
	Traits:   Traits{ReadsClient: true, ReadsDesktop: true, Signaling: true},
	Converse: func(o Options) Conversation { return &selkies2{selkies: selkies{negotiation: negotiation{options: o}}} },
	asksTURN: func(path string) bool { return strings.HasSuffix(path, "/api/turn") },
	ViewOnly: true,
}

// selkies2 is one viewer's socket.
type selkies2 struct {
	selkies
	// called says that the desktop has been or will be sent the client's call, and
	// has not taken it yet.
	called bool
	// viewer says that the client is no controller, early how often it came before one.
	viewer bool
	early  int
}

var _ Patient = (*selkies2)(nil)

// FromClient implements Conversation.
func (c *selkies2) FromClient(m Message) (Step, error) {
	if v := notText(m); v != nil {
		return Step{}, v
	}
	switch {
	case !c.greeted:
		kind, v := selkies2Hello(m.Data)
		if v != nil {
			return Step{}, v
		}
		if c.options.ViewOnly {
			kind, m = selkies2Viewer, Message{Text: true, Data: []byte(viewerHello)}
		}
		c.viewer = kind == selkies2Viewer
		return c.greet(m), nil
	case saysHello(m.Data):
		return Step{}, closing.SecondHello.Ending()
	case string(m.Data) == selkies2Call:
		if c.called {
			return Step{}, nil
		}
		c.called = true
		return toDesktop(m), nil
	}
	peer, payload, ok := bytes.Cut(m.Data, []byte{' '})
	if !ok || len(peer) == 0 {
		return Step{}, closing.Protocol.Ending(`after HELLO come "SESSION server" and "<peer> <JSON>"`)
	}
	return c.negotiates(m, payload)
}

// FromDesktop implements Conversation.
func (c *selkies2) FromDesktop(m Message) (Step, error) {
	switch {
	case !isText(m) || c.swallows(m):
		return Step{}, nil
	case c.called && string(m.Data) == selkies2NoPeer:
		return Step{ToDesktop: []Message{{Text: true, Data: []byte(selkies2Call)}}, After: selkies2Again}, nil
	case bytes.HasPrefix(m.Data, []byte("SESSION_OK")):
		c.called = false
	}
	// The client takes what follows the first space, or all (signaling.js:335).
	payload := m.Data[bytes.IndexByte(m.Data, ' ')+1:]
	return Step{ToClient: replaced(m, payload, c.fromDesktop(payload))}, nil
}

// Early implements Patient. Who was not held has the desktop's verdict.
func (c *selkies2) Early(code int, reason string) bool {
	if !c.viewer || !c.answered || code != selkies2Rejected || !strings.HasPrefix(reason, selkies2NoController) {
		return false
	}
	c.early++
	return c.early <= selkies2Early
}

// selkies2Hello checks a client's first message as the desktop will, which closes
// the connection for a wrong one (signaling_server.py, hello_peer), and says what
// kind of client it is.
func selkies2Hello(message []byte) (kind string, v error) {
	word, rest, _ := bytes.Cut(message, []byte{' '})
	role, meta, _ := bytes.Cut(rest, []byte{' '})
	var m struct {
		Type string `json:"client_type"`
	}
	switch {
	case string(word) == hello && string(role) == "server":
		return "", closing.DesktopPeer.Ending()
	case string(word) != hello || string(role) != "client" ||
		json.UnmarshalCaseSensitivePreserveInts(meta, &m) != nil || m.Type != selkies2Viewer && m.Type != selkies2Control:
		return "", closing.Protocol.Ending(`the first message must be "HELLO client <JSON with a client_type>"`)
	}
	return m.Type, nil
}
