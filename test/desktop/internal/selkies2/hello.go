// Package selkies2 is the server side of the WebRTC signaling of Selkies 2 (its main
// branch, read at 3a0bc7a), as a browser sees it: HELLO client, SESSION server, texts that
// carry the other side's name, takeovers, and the close codes. It does not know what an
// offer says; what a client sends within its session goes to a signaling.Session.
package selkies2

import (
	"encoding/json"
	"errors"
	"strings"
)

// Types of clients. A controller types and points; viewers look on while there is one.
const (
	Controller = "controller"
	Viewer     = "viewer"
)

// anySlot is the slot of a client that has not been given one.
const anySlot = -1

// Hello is a client's first message.
type Hello struct {
	Type  string
	Slot  int
	Token string
}

var errNotHello = errors.New(`the first message is not HELLO client {"client_type":"controller" or "viewer",...}`)

// ParseHello reads "HELLO client <JSON>" (signaling_server.py, hello_peer).
func ParseHello(text string) (Hello, error) {
	word, rest, _ := strings.Cut(text, " ")
	role, raw, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if word != "HELLO" || role != "client" {
		return Hello{}, errNotHello
	}
	said := struct {
		Type  string `json:"client_type"`
		Slot  *int   `json:"client_slot"`
		Token string `json:"client_token"`
	}{}
	if err := json.Unmarshal([]byte(raw), &said); err != nil || said.Type != Controller && said.Type != Viewer {
		return Hello{}, errNotHello
	}
	h := Hello{Type: said.Type, Slot: anySlot, Token: said.Token}
	if said.Slot != nil {
		h.Slot = *said.Slot
	}
	return h, nil
}

// IsPath reports whether this is the address of the signaling.
func IsPath(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return path == "/api/webrtc/signaling" || path == "/api/ws"
}
