package signaling

import (
	"errors"
	"strings"

	"github.com/pion/ice/v2"
)

// candidateInit is RTCIceCandidateInit. An empty or absent candidate says that there
// are no more.
type candidateInit struct {
	Candidate        string `json:"candidate"`
	SDPMid           string `json:"sdpMid"`
	SDPMLineIndex    uint16 `json:"sdpMLineIndex"`
	UsernameFragment string `json:"usernameFragment"`
}

// Fields of a candidate, separated by single spaces (RFC 8839, section 5.1).
const (
	candidateTypeWord = 6
	candidateFields   = 8
)

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
	return c.Type() == ice.CandidateTypeRelay, nil
}
