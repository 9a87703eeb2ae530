package signaling

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// rewriteCandidates returns a session description with each candidate as pass returns
// it, and without those that it refuses; everything else, line ends included, stays as it
// is. pass sees each candidate once, in order, as "candidate:...".
func rewriteCandidates(sdp string, pass func(candidate string) (rewritten string, ok bool)) string {
	return rewriteLines(sdp, func(line string) string {
		c, is := candidateOf(line)
		if !is {
			return line
		}
		switch rewritten, ok := pass(c); {
		case !ok:
			return ""
		case rewritten != c:
			return "a=" + rewritten + line[len(strings.TrimRight(line, "\r\n")):]
		}
		return line
	})
}

// rewriteLines returns a session description with each line, its end included, as rewrite
// returns it.
func rewriteLines(sdp string, rewrite func(line string) string) string {
	var out strings.Builder
	copied := 0 // sdp[:copied] is in out, rewritten.
	for start := 0; start < len(sdp); {
		end := len(sdp)
		if i := strings.IndexByte(sdp[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		if line := rewrite(sdp[start:end]); line != sdp[start:end] {
			out.WriteString(sdp[copied:start])
			out.WriteString(line)
			copied = end
		}
		start = end
	}
	if copied == 0 {
		return sdp
	}
	out.WriteString(sdp[copied:])
	return out.String()
}

// withoutAddresses returns a session description in which the lines that name an address
// beside the candidates' name none: the session's origin, the default destination and
// that of RTCP (RFC 8866, sections 5.2 and 5.7; RFC 3605), and without the attributes that
// list addresses. A relay's in known stays. With ICE they are a formality, and zeros stand
// there as a rule (RFC 8840, section 4.1.1).
func withoutAddresses(sdp string, known map[string]bool) string {
	return rewriteLines(sdp, func(line string) string {
		name, value, _ := strings.Cut(line, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		fields, at := strings.Fields(value), -1
		switch attribute := strings.ToLower(value); {
		case name == "o":
			at = 5 // <username> <id> <version> <network> <address type> <address>
		case name == "c":
			at = 2 // <network> <address type> <address>
		case name == "a" && strings.HasPrefix(attribute, "rtcp:"):
			at = 3 // <port> <network> <address type> <address>
		case name == "a" && slices.ContainsFunc(listsAddresses, func(a string) bool { return strings.HasPrefix(attribute, a) }):
			return ""
		}
		if at < 0 || len(fields) <= at {
			return line
		}
		zero := anyIPv4
		if strings.EqualFold(fields[at-1], "IP6") {
			zero = anyIPv6
		}
		ip, err := netip.ParseAddr(fields[at])
		if len(fields) == at+1 && (known[fields[at]] || err == nil && (ip.IsUnspecified() || ip.IsLoopback())) {
			return line
		}
		if name == "o" {
			fields[0] = "-" // it may be user@host
		}
		return name + "=" + strings.Join(append(fields[:at:at], zero), " ") + line[len(strings.TrimRight(line, "\r\n")):]
	})
}

// listsAddresses are attributes that do (RFC 8839, section 5.2; RFC 4570; RFC 4091).
var listsAddresses = []string{"remote-candidates", "source-filter", "alt:"}

// hidesLines says that readers may find lines in a session description that we do not,
// and an address in them: a line ends with a newline, before which a carriage return may
// stand (RFC 8866, section 5), but Python, for one, takes more for an end.
func hidesLines(sdp string) bool {
	for line := range strings.SplitSeq(sdp, "\n") {
		inner := strings.FieldsFunc(strings.TrimSuffix(line, "\r"), func(r rune) bool {
			return strings.ContainsRune("\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r)
		})
		for _, hidden := range inner[min(1, len(inner)):] {
			if name, _, ok := strings.Cut(hidden, "="); ok && len(strings.TrimSpace(name)) == 1 {
				return true
			}
		}
	}
	return false
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

// withText is a message in whose object outer the text inner is another one. Both levels
// may have fields that we don't know; they stay.
func withText(data []byte, outer, inner, text string) []byte {
	var message, object map[string]json.RawMessage
	if json.Unmarshal(data, &message) != nil || json.Unmarshal(message[outer], &object) != nil {
		return nil
	}
	object[inner] = encode(text)
	message[outer] = encode(object)
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
