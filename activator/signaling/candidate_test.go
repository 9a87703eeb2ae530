package signaling

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhoIsBehindARelayIsNotTold(t *testing.T) {
	const before, behind = "candidate:5 1 UDP 16777215 198.51.100.4 50388 typ relay", "10.42.0.17"
	for rest, want := range map[string]string{
		"": "", " raddr 10.42.0.17 rport 38341": " raddr 0.0.0.0 rport 0", " rport 38341 raddr 10.42.0.17": " rport 0 raddr 0.0.0.0",
		" RADDR 10.42.0.17 RPort 38341 generation 0": " RADDR 0.0.0.0 RPort 0 generation 0",
		"  raddr  10.42.0.17  rport 38341":           " raddr 0.0.0.0 rport 0",
		" generation raddr 10.42.0.17 rport 1":       " generation raddr 0.0.0.0 rport 0",
		" tcptype passive raddr 10.42.0.17":          " tcptype passive raddr 0.0.0.0",
		" raddr 0.0.0.0 rport 0 ufrag mQ2f":          " raddr 0.0.0.0 rport 0 ufrag mQ2f",
	} {
		got := withoutRelated(before + rest)
		require.Equal(t, before+want, got, "%q", rest)
		assert.NotContains(t, got, behind, "%q became, want %q", rest, want)
	}
	const v6 = "candidate:5 1 UDP 16777215 2001:db8::4 50388 typ relay raddr "
	assert.Equal(t, v6+":: rport 0", withoutRelated(v6+"2001:db8:1::17 rport 38341"), "by IPv6")
}

func TestNoLineOfADescriptionTellsWhereItsSenderIsUnderPolicyRelay(t *testing.T) {
	c := &negotiation{options: Options{ICEPolicy: v1alpha1.ICEPolicyRelay, MaxCandidates: 9}}
	said := strings.NewReplacer("o=- 1 2 IN IP4 127.0.0.1", "o=- 1 2 IN IP4 10.42.0.17", "c=IN IP4 0.0.0.0", "c=IN IP4 10.42.0.17").Replace(
		sdpOf("a=rtcp:38341 IN IP4 10.42.0.17", "a="+hostCandidate, "a="+relayCandidate, "m=audio 9 RTP/AVP 0", "c=IN IP6 fd00::17", "m=audio 50388 RTP/AVP 0", "c=IN IP4 198.51.100.4"))
	var got struct{ SDP struct{ SDP string } }
	require.NoError(t, json.Unmarshal(c.fromDesktop([]byte(answer(said))), &got))
	for _, address := range []string{"10.42.0.17", "fd00::17"} {
		assert.NotContains(t, got.SDP.SDP, address)
	}
	for _, line := range []string{"o=- 1 2 IN IP4 0.0.0.0\r\n", "c=IN IP4 0.0.0.0\r\n", "a=rtcp:38341 IN IP4 0.0.0.0\r\n", "c=IN IP6 ::\r\n", "c=IN IP4 198.51.100.4\r\n"} {
		assert.Contains(t, got.SDP.SDP, line)
	}
}

func TestWhatSomeReaderMayTakeForAnAddressDoesNotPassUnderPolicyRelay(t *testing.T) {
	const behind = "10.42.0.17"
	for name, line := range map[string]string{
		"a carriage return": "a=x:1\ra=" + hostCandidate, "a form feed": "a=x:1\fa=" + hostCandidate, "a next line": "a=x:1\u0085c=IN IP4 " + behind,
		"a line separator": "a=x:1\u2028a=" + hostCandidate, "remote candidates": "a=remote-candidates:1 " + behind + " 5000",
		"a source filter": "a=source-filter: incl IN IP4 * " + behind, "more behind the address": "c=IN IP4 " + behind + " more",
		"a time to live": "c=IN IP4 " + behind + "/127", "no address type": "c=IN IP " + behind, "spaces": "a= rtcp:9 IN IP4 " + behind, "upper case": "C=IN IP4 " + behind,
	} {
		t.Run(name, func(t *testing.T) {
			c := &negotiation{options: Options{ICEPolicy: v1alpha1.ICEPolicyRelay, MaxCandidates: 9}}
			said := []byte(answer(sdpOf(line)))
			toDesktop, v := c.fromClient(said)
			assert.False(t, v == nil && strings.Contains(string(toDesktop), behind), "the desktop hears %s", toDesktop)
			if toClient := c.fromDesktop(said); strings.Contains(string(toClient), behind) {
				t.Errorf("the browser hears %s", toClient)
			}
		})
	}
	c := &negotiation{options: Options{ICEPolicy: v1alpha1.ICEPolicyRelay}}
	for _, twice := range []string{`{"ice":{"candidate":"` + hostCandidate + `"},"ice":null}`, `{"sdp":{"type":"offer","sdp":"` + behind + `"},"sdp":null}`} {
		toDesktop, _ := c.fromClient([]byte(twice))
		assert.LessOrEqual(t, len(toDesktop)+len(c.fromDesktop([]byte(twice))), 0, "%s passes", twice)
	}
	var got struct{ SDP struct{ SDP string } }
	if err := json.Unmarshal(c.fromDesktop([]byte(answer(strings.Replace(sdpOf(), "o=- 1 2 IN IP4 127.0.0.1", "o=me@pod 1 2 IN IP4 "+behind, 1)))), &got); err != nil || !strings.Contains(got.SDP.SDP, "o=- 1 2 IN IP4 0.0.0.0\r\n") {
		t.Errorf("%v, %q", err, got.SDP.SDP)
	}
}

func FuzzCandidate(f *testing.F) {
	for _, c := range goodCandidates {
		f.Add(c)
	}
	f.Add("candidate:1 1 UDP 1 10.42.0.17 1  typ host typ relay")
	f.Add(" 1 UDP 1 10.42.0.17 1 typ relay raddr")
	f.Add("5 1 UDP 16777215 198.51.100.4 50388 typ relay raddr 10.42.0.17 raddr 3")
	f.Fuzz(func(t *testing.T, candidate string) {
		relay, err := isRelay(candidate)
		assert.False(t, relay && (err != nil || strings.Fields(candidate)[7] != "relay"),
			"%q is taken for a relay's: %v", candidate, err)
		if err != nil {
			return
		}
		if relay {
			bare := withoutRelated(candidate)
			if again, err := isRelay(bare); !again || err != nil || withoutRelated(bare) != bare {
				t.Errorf("%q became %q, which is a relay's: %t, %v", candidate, bare, again, err)
			}
		}
		if got := rewriteCandidates("a="+candidate+"\r\n", func(string) (string, bool) { return "", false }); strings.HasPrefix(candidate, "candidate:") && got != "" {
			t.Errorf("%q is not found in a session description", candidate)
		}
	})
}
