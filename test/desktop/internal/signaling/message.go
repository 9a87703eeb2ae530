package signaling

import (
	"encoding/json"
	"fmt"
)

// Message is what the peers say to each other after HELLO: a description or a candidate.
type Message struct {
	SDP *Description `json:"sdp,omitempty"`
	ICE *Candidate   `json:"ice,omitempty"`
}

// Description is an offer or an answer.
type Description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// Candidate is one address to try. Selkies' app sends only these two fields; browsers
// send more, which are not needed.
type Candidate struct {
	Candidate     string  `json:"candidate"`
	SDPMLineIndex *uint16 `json:"sdpMLineIndex"`
}

// ParseMessage reads a Message; it must hold exactly one thing. A null candidate, by which
// a browser says that there are no more, gives an empty Message.
func ParseMessage(text []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(text, &m); err != nil {
		return Message{}, fmt.Errorf("signaling message is not JSON with sdp or ice: %w", err)
	}
	if m.SDP != nil && m.ICE != nil {
		return Message{}, fmt.Errorf("signaling message has both sdp and ice")
	}
	if m.SDP != nil && (m.SDP.Type != "offer" && m.SDP.Type != "answer" || m.SDP.SDP == "") {
		return Message{}, fmt.Errorf("signaling message: sdp of type %q with %d bytes", m.SDP.Type, len(m.SDP.SDP))
	}
	return m, nil
}
