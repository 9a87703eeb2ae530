package signaling

import (
	"errors"
	"strings"

	"github.com/pion/ice/v2"
)

// Fields of a candidate, separated by single spaces (RFC 8839, section 5.1).
const (
	candidateAddress  = 4
	candidateTypeWord = 6
	candidateFields   = 8
)

// What replaces an address that the other side must not see.
const anyIPv4, anyIPv6 = "0.0.0.0", "::"

var errCandidate = errors.New("not an ICE candidate")

// isRelay reads a candidate and says whether it is one of a TURN server. ".local"
// names, under which browsers hide their addresses, are candidates too. Nothing
// passes that readers might take apart differently: what stands behind the sixth
// space must be the type for all of them.
func isRelay(candidate string) (bool, error) {
	candidate = strings.TrimPrefix(strings.TrimPrefix(candidate, "a="), "candidate:")
	for i := range len(candidate) {
		if candidate[i] < ' ' {
			return false, errCandidate
		}
	}
	rest := candidate
	for i := range candidateFields {
		field, after, _ := strings.Cut(rest, " ")
		if field == "" || i == candidateTypeWord && field != "typ" {
			return false, errCandidate
		}
		rest = after
	}
	c, err := ice.UnmarshalCandidate(candidate)
	if err != nil {
		return false, err
	}
	if c.Type() != ice.CandidateTypeRelay {
		return false, nil
	}
	// Such as a second raddr where rport was to be: without them it would be no candidate.
	_, err = ice.UnmarshalCandidate(withoutRelated(candidate))
	return err == nil, err
}

// addressOf is the address of a candidate that isRelay has read.
func addressOf(candidate string) string { return strings.Split(candidate, " ")[candidateAddress] }

// withoutRelated is a relay's candidate, which isRelay has read, without the address
// behind the relay: that of the pod, or of the person. It may be zeros "for privacy
// reasons" (RFC 8839, section 5.1). What else follows the type stays.
func withoutRelated(candidate string) string {
	fields := strings.SplitN(candidate, " ", candidateFields+1)
	if len(fields) <= candidateFields {
		return candidate
	}
	zero := anyIPv4
	if strings.Contains(fields[candidateAddress], ":") {
		zero = anyIPv6
	}
	// Word by word rather than pair by pair: readers may disagree on what is a pair.
	rest := strings.Fields(fields[candidateFields])
	for i := 0; i+1 < len(rest); i++ {
		switch strings.ToLower(rest[i]) {
		case "raddr":
			rest[i+1] = zero
		case "rport":
			rest[i+1] = "0"
		}
	}
	return strings.Join(append(fields[:candidateFields:candidateFields], rest...), " ")
}
