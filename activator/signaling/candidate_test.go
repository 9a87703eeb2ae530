package signaling

import (
	"strings"
	"testing"
)

func FuzzCandidate(f *testing.F) {
	for _, c := range goodCandidates {
		f.Add(c)
	}
	f.Add("candidate:1 1 UDP 1 10.42.0.17 1  typ host typ relay")
	f.Add(" 1 UDP 1 10.42.0.17 1 typ relay raddr")
	f.Fuzz(func(t *testing.T, candidate string) {
		relay, err := isRelay(candidate)
		if relay && (err != nil || strings.Fields(candidate)[7] != "relay") {
			t.Errorf("%q is taken for a relay's: %v", candidate, err)
		}
		if err != nil {
			return
		}
		if got := filterCandidates("a="+candidate+"\r\n", func(string) bool { return false }); strings.HasPrefix(candidate, "candidate:") && got != "" {
			t.Errorf("%q is not found in a session description", candidate)
		}
	})
}
