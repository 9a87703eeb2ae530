package signaling

import (
	"bytes"
	"encoding/json"
	"strings"
)

// filterCandidates returns a session description without the candidates that keep
// refuses; everything else of it, line ends included, stays as it is. keep sees each
// candidate once, in order, as "candidate:...".
func filterCandidates(sdp string, keep func(candidate string) bool) string {
	var kept strings.Builder
	copied := 0 // sdp[:copied] is in kept, as far as it was kept.
	for start := 0; start < len(sdp); {
		end := len(sdp)
		if i := strings.IndexByte(sdp[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		if c, ok := candidateOf(sdp[start:end]); ok && !keep(c) {
			kept.WriteString(sdp[copied:start])
			copied = end
		}
		start = end
	}
	if copied == 0 {
		return sdp
	}
	kept.WriteString(sdp[copied:])
	return kept.String()
}

// candidateAttribute names a candidate in a line of SDP (RFC 8839, section 5.1).
const candidateAttribute = "candidate"

// candidateOf finds a line's candidate. It is more generous than the standard about
// spaces and case: some reader of SDP may be too.
func candidateOf(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != 'a' && line[0] != 'A' {
		return "", false
	}
	attribute, ok := strings.CutPrefix(strings.TrimLeft(line[1:], " \t"), "=")
	if !ok {
		return "", false
	}
	attribute = strings.TrimLeft(attribute, " \t")
	if len(attribute) < len(candidateAttribute) || !strings.EqualFold(attribute[:len(candidateAttribute)], candidateAttribute) {
		return "", false
	}
	rest := attribute[len(candidateAttribute):]
	return attribute, rest == "" || strings.ContainsRune(": \t", rune(rest[0]))
}

// withSDP is a message that holds a session description, with another text in it.
// Both levels may have fields that we don't know; they stay.
func withSDP(data []byte, sdp string) []byte {
	var message, description map[string]json.RawMessage
	if json.Unmarshal(data, &message) != nil || json.Unmarshal(message["sdp"], &description) != nil {
		return nil
	}
	description["sdp"] = encode(sdp)
	message["sdp"] = encode(description)
	return encode(message)
}

// encode is json.Marshal without its care for HTML, which makes messages longer.
func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
}
