package signaling

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
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
