package signaling

import "bytes"

// streaming is a conversation on a socket that carries the stream itself, as Selkies
// 2 without WebRTC and linuxserver.io's images have it: the desktop sends binary
// frames, the client sends a person's input as text. Nothing is answered early,
// because the desktop speaks first.
type streaming struct{}

func (streaming) FromClient(m Message) (Step, error) {
	step := toDesktop(m)
	step.Input = isInput(m)
	return step, nil
}
func (streaming) FromDesktop(m Message) (Step, error) { return toClient(m), nil }
func (streaming) Attached()                           {}

// longestVerb bounds how much of a message isInput reads.
const longestVerb = 5

// isInput says that a message comes from a person: a key, the pointer, a gamepad,
// composed text or a clipboard that was filled. Settings, acknowledgements, a tab
// that becomes visible, pings and heartbeats of a gamepad that merely lies there
// (js,h) come without anybody, and so does the release of all keys (kr), which also
// follows the focus (selkies 3a0bc7a, input.js and input_handler.py).
func isInput(m Message) bool {
	if !m.Text {
		return false
	}
	verb, rest, _ := bytes.Cut(m.Data[:min(len(m.Data), longestVerb)], []byte{','})
	switch string(verb) {
	case "m", "m2", "kd", "ku", "kh", "co",
		"cw", "cws", "cwd", "cwe", "cb", "cbs", "cbd", "cbe":
		return true
	case "js":
		return len(rest) > 0 && (rest[0] == 'a' || rest[0] == 'b')
	}
	return false
}
