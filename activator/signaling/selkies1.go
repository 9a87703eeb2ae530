package signaling

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/pkg/metrics"
)

// selkies1TURN is where the viewers of Selkies 1.6 ask for their TURN
// configuration: at the root, whatever the page's path (v1.6.2, app.js:825).
const selkies1TURN = "/turn"

// Selkies1 is the signaling of Selkies 1.6: a viewer opens one socket for video
// (peer 1) and one for audio (peer 3), begins each with "HELLO <peer> <base64 of
// JSON>" and then waits, without any timer, for "HELLO" and the desktop's offer
// (v1.6.2, signalling_web.py:182-249 and :405-428, signalling.js:178-187).
type Selkies1 struct{}

var _ Protocol = Selkies1{}

// Name implements Protocol.
func (Selkies1) Name() string { return "selkies-1" }

// Claims implements Protocol by the paths that Selkies 1.6 upgrades.
func (Selkies1) Claims(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return path == "/ws" || strings.HasSuffix(path, "/signalling")
}

// Traits implements Protocol. Any close makes this client connect again (v1.6.2,
// webrtc.js:745-761).
func (Selkies1) Traits() Traits {
	return Traits{ReadsClient: true, ReadsDesktop: true, Signaling: true, Pipelines: true, Interrupted: websocket.CloseServiceRestart}
}

// Converse implements Protocol.
func (Selkies1) Converse(Options) Conversation { return &selkies1{} }

// Signaling implements Protocol.
func (Selkies1) Signaling() bool { return true }

var errSelkies1Hello = errors.New(`invalid protocol: the first message must be "HELLO <peer> <base64 of JSON>"`)

// CheckFirst implements Protocol. The metadata is optional, as it is for Selkies.
func (Selkies1) CheckFirst(text bool, message []byte) error {
	fields := bytes.Fields(message)
	if !text || len(fields) < 2 || len(fields) > 3 || string(fields[0]) != "HELLO" {
		return errSelkies1Hello
	}
	if len(fields) == 2 {
		return nil
	}
	meta := make([]byte, base64.StdEncoding.DecodedLen(len(fields[2])))
	n, err := base64.StdEncoding.Decode(meta, fields[2])
	if err != nil || !json.Valid(meta[:n]) {
		return errSelkies1Hello
	}
	return nil
}

// selkies1 is one viewer's socket.
type selkies1 struct {
	greeted  bool // the client has said its HELLO
	attached bool // there has been a desktop
	answered bool // the client has had its HELLO from us
	swallow  bool // the desktop's HELLO is still to come, and the client has had it
}

// FromClient implements Conversation. A HELLO before there is a desktop is answered
// at once; the client has nothing more to say until the desktop offers.
func (c *selkies1) FromClient(m Message) (Step, error) {
	step := Step{ToDesktop: []Message{m}}
	if c.greeted {
		return step, nil
	}
	if err := (Selkies1{}).CheckFirst(m.Text, m.Data); err != nil {
		return Step{}, protocolError(metrics.RefusedProtocol, err.Error())
	}
	c.greeted = true
	if !c.attached {
		c.answered = true
		step.ToClient = []Message{{Text: true, Data: []byte("HELLO")}}
	}
	return step, nil
}

// FromDesktop implements Conversation.
func (c *selkies1) FromDesktop(m Message) (Step, error) {
	if c.swallow && m.Text && string(m.Data) == "HELLO" {
		c.swallow = false
		return Step{}, nil
	}
	return Step{ToClient: []Message{m}}, nil
}

// Attached implements Conversation.
func (c *selkies1) Attached() {
	c.attached = true
	c.swallow = c.answered
}
