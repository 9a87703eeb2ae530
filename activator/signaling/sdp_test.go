package signaling

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestACandidateIsFoundHoweverItsLineIsWritten(t *testing.T) {
	for line, want := range map[string]string{
		"a=candidate:1 2\r\n": "candidate:1 2", "a=candidate:1 2": "candidate:1 2", " a = candidate:1 2 \n": "candidate:1 2",
		"A=CANDIDATE:1": "CANDIDATE:1", "a=\tcandidate 1": "candidate 1", "a=candidate": "candidate",
		"a=candidates:1": "", "a=end-of-candidates": "", "a=x-candidate:1": "", "b=candidate:1": "", "acandidate:1": "", "a": "", "": "", "\r\n": "",
	} {
		got, ok := candidateOf(line)
		require.Equal(t, want != "", ok, "%q", line)
		assert.False(t, ok && got != want, "%q: %q, want %q", line, got, want)
	}
}

func TestWhatRemainsOfAMessageKeepsWhatWeDoNotKnowAndGrowsLittle(t *testing.T) {
	odd := `<&>\u0007"` + "\u2028ö"
	message, err := json.Marshal(map[string]any{"sdp": map[string]any{"type": "offer", "sdp": sdpOf("a="+hostCandidate, "a=x:"+strings.Repeat(odd, 100)), "more": odd}, "version": 2})
	require.NoError(t, err)
	c := &negotiation{options: Options{ICEPolicy: v1alpha1.ICEPolicyRelay, MaxCandidates: 1}}
	out := c.fromDesktop(message)
	var got struct {
		SDP     struct{ SDP, Type, More string }
		Version int
	}
	require.NoError(t, json.Unmarshal(out, &got), "in %s", out)
	if got.SDP.SDP != sdpOf("a=x:"+strings.Repeat(odd, 100)) || got.SDP.Type != "offer" || got.SDP.More != odd || got.Version != 2 {
		t.Errorf("became %+v", got)
	}
	plain := strings.Repeat("<", 1000)
	assert.Len(t, encode(plain), len(plain)+2, "%d bytes became", len(plain))
}

func FuzzSessionDescription(f *testing.F) {
	f.Add(sdpOf("a=" + hostCandidate))
	f.Add("a=candidate:\na=candidate:1\r\n A = CANDIDATE\t1\na=candidates\n\na=candidate")
	f.Fuzz(func(t *testing.T, sdp string) {
		seen := 0
		assert.Equal(t, sdp, rewriteCandidates(sdp, func(c string) (string, bool) { seen++; return c, true }),
			"became though all was kept")
		rest := rewriteCandidates(sdp, func(string) (string, bool) { return "", false })
		lines := strings.Count(sdp, "\n") - strings.Count(rest, "\n")
		require.LessOrEqual(t, lines, seen, "%d", seen)
		assert.LessOrEqual(t, seen-lines, 1, "%d candidates, but %d lines less", seen, lines)
		assert.Equal(t, rest, rewriteCandidates(rest, func(string) (string, bool) { return "", false }), "still had a candidate")
	})
}
