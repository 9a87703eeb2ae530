package signaling

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"

	"github.com/pion/webrtc/v3"
	"sigs.k8s.io/json"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// negotiation watches the JSON by which a browser and a desktop agree on a WebRTC
// connection: {"sdp": <session description>} and {"ice": <candidate>}. It checks
// what the client sends, counts candidates of both and keeps those back that the
// policy does not allow, and under the policy relay every address but the relay's. A
// message in which nothing is kept back passes byte for byte.
//
// Of a desktop's messages none is a reason to end its user's connection: what cannot
// be understood passes, or is dropped where a candidate might hide in it.
type negotiation struct {
	options Options
	// Candidates named so far.
	client, desktop int
}

// relayed is what a message may hold; null is as good as absent. Keys are told
// apart by case and the last of two counts, as in JavaScript and Python: what is
// checked here is what the other side reads. Of two ice objects the fields of both
// are seen, and so more than that.
type relayed struct {
	SDP stdjson.RawMessage       `json:"sdp"`
	ICE *webrtc.ICECandidateInit `json:"ice"` // An empty or absent candidate says that there are no more.
}

// description is RTCSessionDescriptionInit. Its type is read as it stands: pion's takes any
// case, and fails on types that it does not know, whose candidates count all the same.
type description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// fromClient returns what goes on of a client's JSON, nil for nothing. The bytes are
// data's own where nothing was taken out.
func (n *negotiation) fromClient(data []byte) ([]byte, error) {
	m, err := readRelayed(data)
	switch {
	case err != nil:
		return nil, unreadable(data)
	case n.relayOnly() && ambiguous(data):
		return nil, nil
	case m.SDP != nil && m.ICE != nil:
		return nil, closing.Protocol.Ending("a message holds either sdp or ice")
	case m.SDP != nil:
		return n.clientSDP(data, m.SDP)
	case m.ICE == nil:
		return data, nil
	}
	c := m.ICE.Candidate
	if c == "" {
		return data, nil
	}
	if v := n.countClient(); v != nil {
		return nil, v
	}
	passes, ok, err := n.candidate(c)
	switch {
	case err != nil:
		return nil, closing.Candidate.Ending()
	case !ok:
		return nil, nil
	case passes != c:
		return withText(data, "ice", "candidate", passes), nil
	}
	return data, nil
}

func (n *negotiation) clientSDP(data, raw []byte) ([]byte, error) {
	var d description
	if json.UnmarshalCaseSensitivePreserveInts(raw, &d) != nil {
		return nil, closing.SDP.Ending()
	}
	switch {
	case d.Type == "rollback" && d.SDP == "":
		return data, nil
	case d.Type != "offer" && d.Type != "answer" && d.Type != "pranswer" || d.SDP == "", n.relayOnly() && hidesLines(d.SDP):
		return nil, closing.SDP.Ending()
	}
	var v error
	kept := n.description(d.SDP, func(candidate string) (string, bool) {
		if v == nil {
			v = n.countClient()
		}
		if v != nil {
			return candidate, true // The rest of them does not matter.
		}
		passes, ok, err := n.candidate(candidate)
		if err != nil {
			v = closing.Candidate.Ending()
		}
		return passes, ok
	})
	if v != nil {
		return nil, v
	}
	// pion takes a text that ends too soon; its time is the last that must be there.
	if parsed, err := (&webrtc.SessionDescription{SDP: d.SDP}).Unmarshal(); err != nil || len(parsed.TimeDescriptions) == 0 {
		return nil, closing.SDP.Ending()
	}
	if kept == d.SDP {
		return data, nil
	}
	return withText(data, "sdp", "sdp", kept), nil
}

// candidate is what passes of a candidate: all of it, or under the policy relay that of
// a relay without the address behind it. An error is that it cannot be read.
func (n *negotiation) candidate(c string) (passes string, ok bool, err error) {
	relay, err := isRelay(c)
	switch {
	case err != nil || !n.relayOnly():
		return c, !n.relayOnly(), err
	case !relay:
		return "", false, nil
	}
	return withoutRelated(c), true, nil
}

// description is what passes of a session description, whose candidates pass as it says.
func (n *negotiation) description(sdp string, pass func(string) (string, bool)) string {
	if !n.relayOnly() {
		return rewriteCandidates(sdp, pass)
	}
	relays := map[string]bool{}
	kept := rewriteCandidates(sdp, func(candidate string) (string, bool) {
		passes, ok := pass(candidate)
		if relay, err := isRelay(passes); ok && relay && err == nil {
			relays[addressOf(passes)] = true
		}
		return passes, ok
	})
	return withoutAddresses(kept, relays)
}

// fromDesktop returns what goes on of a desktop's JSON or of its other words, nil
// for nothing.
func (n *negotiation) fromDesktop(data []byte) []byte {
	if !n.relayOnly() && !bytes.Contains(data, []byte(candidateAttribute)) {
		return data // Nothing to count; what is written in escapes is not worth more.
	}
	m, err := readRelayed(data)
	switch {
	case err != nil:
		// "HELLO" and the like; or an object that only JavaScript takes for one.
		return n.unlessRelayOnly(data, bytes.HasPrefix(bytes.TrimLeft(data, jsonSpace), []byte{'{'}))
	case n.relayOnly() && ambiguous(data):
		return nil
	case m.SDP != nil && m.ICE != nil:
		return n.unlessRelayOnly(data, true)
	case m.SDP != nil:
		return n.desktopSDP(data, m.SDP)
	case m.ICE == nil:
		return data
	}
	c := m.ICE.Candidate
	if c == "" {
		return data
	}
	switch passes, ok := n.desktopCandidate(c); {
	case !ok:
		return nil
	case passes != c:
		return withText(data, "ice", "candidate", passes)
	}
	return data
}

func (n *negotiation) desktopSDP(data, raw []byte) []byte {
	var d description
	if json.UnmarshalCaseSensitivePreserveInts(raw, &d) != nil || hidesLines(d.SDP) {
		return n.unlessRelayOnly(data, true)
	}
	kept := n.description(d.SDP, n.desktopCandidate)
	if kept == d.SDP {
		return data
	}
	return withText(data, "sdp", "sdp", kept)
}

// unlessRelayOnly drops data if a candidate may hide in it and that matters.
func (n *negotiation) unlessRelayOnly(data []byte, suspect bool) []byte {
	if suspect && n.relayOnly() {
		return nil
	}
	return data
}

// desktopCandidate counts a candidate of the desktop and says what of it goes on.
func (n *negotiation) desktopCandidate(c string) (passes string, ok bool) {
	n.desktop++
	if n.options.MaxCandidates > 0 && n.desktop > n.options.MaxCandidates {
		return "", false
	}
	passes, ok, err := n.candidate(c)
	return passes, ok && (err == nil || !n.relayOnly())
}

func (n *negotiation) countClient() error {
	n.client++
	if n.options.MaxCandidates > 0 && n.client > n.options.MaxCandidates {
		return closing.Candidates.Ending(n.options.MaxCandidates)
	}
	return nil
}

func (n *negotiation) relayOnly() bool { return n.options.ICEPolicy == v1alpha1.ICEPolicyRelay }

// replaced is m with data in the place of payload, which is its end; nothing if data
// is nil.
func replaced(m Message, payload, data []byte) []Message {
	switch {
	case len(payload) == 0 || len(data) > 0 && &data[0] == &payload[0]:
		return []Message{m}
	case data == nil:
		return nil
	}
	address := m.Data[:len(m.Data)-len(payload)]
	return []Message{{Text: true, Data: append(address[:len(address):len(address)], data...)}}
}

// jsonSpace may stand before and after a JSON value (RFC 8259, section 2).
const jsonSpace = " \t\r\n"

var jsonNull = []byte("null")

func readRelayed(data []byte) (relayed, error) {
	var m relayed
	if trimmed := bytes.Trim(data, jsonSpace); bytes.Equal(trimmed, jsonNull) {
		return m, fmt.Errorf("null instead of an object")
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(data, &m); err != nil {
		return m, err
	}
	if bytes.Equal(m.SDP, jsonNull) {
		m.SDP = nil
	}
	return m, nil
}

// ambiguous says that a JSON object, or one in it, has a name twice: we did not see the
// first value, and another reader may.
func ambiguous(data []byte) bool {
	strict, err := json.UnmarshalStrict(data, &map[string]any{}, json.DisallowDuplicateFields)
	return err != nil || len(strict) > 0
}

// unreadable says what is wrong with a message that could not be read: its candidate,
// if the rest can be.
func unreadable(data []byte) error {
	var m map[string]stdjson.RawMessage
	if json.UnmarshalCaseSensitivePreserveInts(data, &m) == nil && m["ice"] != nil {
		return closing.Candidate.Ending()
	}
	return closing.Protocol.Ending("after HELLO every message must hold one JSON object")
}
