// Package signaling is the server side of Selkies 1.6.2's signaling protocol, as a browser
// sees it: HELLO, one peer for each id, and the close codes. It does not know what an
// offer says; what a registered peer sends goes to a Session.
package signaling

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// Ids of Selkies 1.6's peers: the app's own, and the browser's that they wait for.
const (
	AppVideo     = "0"
	BrowserVideo = "1"
	AppAudio     = "2"
	BrowserAudio = "3"
)

// The two reasons with which Selkies closes a socket, both with code 1002.
const (
	reasonNotHello = "invalid protocol"
	reasonBadPeer  = "invalid peer uid"
)

// Hello is a peer's first message.
type Hello struct {
	UID string
	// Resolution and Scale are the browser's window, "" and 0 if it did not say.
	Resolution string
	Scale      float64
}

var errNotHello = errors.New("the first message is not HELLO <id> [<base64 of JSON>]")

// ParseHello reads "HELLO <id> [<base64 of {"res":"WxH","scale":n}>]". What comes after
// the id only describes the browser, so a part that cannot be read is left out.
func ParseHello(text string) (Hello, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 || fields[0] != "HELLO" {
		return Hello{}, errNotHello
	}
	h := Hello{UID: fields[1]}
	if len(fields) > 2 {
		if raw, err := base64.StdEncoding.DecodeString(fields[2]); err == nil {
			var meta struct {
				Res   string  `json:"res"`
				Scale float64 `json:"scale"`
			}
			if json.Unmarshal(raw, &meta) == nil {
				h.Resolution, h.Scale = meta.Res, meta.Scale
			}
		}
	}
	return h, nil
}

// IsPath reports whether Selkies takes a WebSocket at this path.
func IsPath(path string) bool {
	return path == "/ws" || path == "/ws/" || strings.HasSuffix(path, "/signalling") || strings.HasSuffix(path, "/signalling/")
}
