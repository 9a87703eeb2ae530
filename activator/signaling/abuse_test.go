package signaling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// abuse is what a client may say, all but the last of which is taken.
type abuse struct {
	says    []Message
	code    int
	refusal *closing.Refusal
}

func text(s string) Message   { return Message{Text: true, Data: []byte(s)} }
func binary(s string) Message { return Message{Data: []byte(s)} }

// refused checks that each abuse ends its connection with a reason of its own, held
// or live, and that a neighbour's conversation goes on.
func refused(t *testing.T, p *Protocol, cases map[string]abuse) {
	t.Helper()
	for name, tc := range cases {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, live %t", name, live), func(t *testing.T) {
				c := p.Converse(Options{ICEPolicy: v1alpha1.ICEPolicyAll, MaxCandidates: 8})
				if live {
					c.Attached()
				}
				last := len(tc.says) - 1
				for i, m := range tc.says[:last] {
					_, err := c.FromClient(m)
					require.NoError(t, err, "message %d", i)
				}
				step, err := c.FromClient(tc.says[last])
				var v *closing.Ending
				require.ErrorAs(t, err, &v, "was taken")
				require.Equal(t, tc.code, v.Code)
				require.Same(t, tc.refusal, v.Refusal)
				assert.NotEmpty(t, v.Reason, "ended with %d %q as %s, want %d as %s", v.Code, v.Reason, v.Refusal, tc.code, tc.refusal)
				if len(v.Reason) > 123 { // The room in a close frame (RFC 6455, section 5.5).
					t.Errorf("a reason of %d bytes: %s", len(v.Reason), v.Reason)
				}
				require.Empty(t, step.ToDesktop)
				assert.Empty(t, step.ToClient, "something of it was passed on: %+v", step)
			})
		}
	}
}

const (
	hostCandidate  = "candidate:1 1 UDP 2015363327 10.42.0.17 38341 typ host"
	relayCandidate = "candidate:5 1 UDP 16777215 198.51.100.4 50388 typ relay raddr 10.42.0.17 rport 38341"
)

// sdpOf is a session description with these lines at its end.
func sdpOf(lines ...string) string {
	return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 123\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n" +
		strings.Join(append(lines, ""), "\r\n")
}

func answer(sdp string) string { return `{"sdp":{"type":"answer","sdp":` + strconv.Quote(sdp) + `}}` }
func trickle(candidate string) string {
	return `{"ice":{"candidate":` + strconv.Quote(candidate) + `,"sdpMid":"0","sdpMLineIndex":0}}`
}

func repeat(n int, s string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// badNegotiation is what must not come after HELLO, on any WebRTC signaling; with is
// how a payload is sent.
func badNegotiation(first Message, with func(payload string) Message) map[string]abuse {
	says := func(payloads ...string) []Message {
		m := []Message{first}
		for _, p := range payloads {
			m = append(m, with(p))
		}
		return m
	}
	bad := func(code int, refusal *closing.Refusal, payloads ...string) abuse {
		return abuse{says(payloads...), code, refusal}
	}
	return map[string]abuse{
		"no JSON":                        bad(1002, closing.Protocol, "{"),
		"JSON but no object":             bad(1002, closing.Protocol, "[1]"),
		"null":                           bad(1002, closing.Protocol, "null"),
		"two objects":                    bad(1002, closing.Protocol, "{}{}"),
		"depth":                          bad(1002, closing.Protocol, `{"a":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}"),
		"sdp and ice":                    bad(1002, closing.Protocol, `{"sdp":{"type":"answer","sdp":"v=0"},"ice":{}}`),
		"sdp that is a string":           bad(1002, closing.SDP, `{"sdp":"v=0"}`),
		"sdp without text":               bad(1002, closing.SDP, `{"sdp":{"type":"answer"}}`),
		"sdp without type":               bad(1002, closing.SDP, `{"sdp":{"sdp":`+strconv.Quote(sdpOf())+`}}`),
		"sdp of a type there is not":     bad(1002, closing.SDP, `{"sdp":{"type":"demand","sdp":`+strconv.Quote(sdpOf())+`}}`),
		"sdp of a type in capitals":      bad(1002, closing.SDP, `{"sdp":{"type":"OFFER","sdp":`+strconv.Quote(sdpOf())+`}}`),
		"a rollback with a description":  bad(1002, closing.SDP, `{"sdp":{"type":"rollback","sdp":"v=0"}}`),
		"sdp that is none":               bad(1002, closing.SDP, answer("hello")),
		"sdp of one letter":              bad(1002, closing.SDP, answer("?")),
		"sdp cut off":                    bad(1002, closing.SDP, answer("v=0\r\no=- 1")),
		"sdp cut off after a line":       bad(1002, closing.SDP, answer("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n")),
		"a megabyte that is no sdp":      bad(1002, closing.SDP, answer(strings.Repeat("v", 1<<20))),
		"a bad candidate in sdp":         bad(1002, closing.Candidate, answer(sdpOf("a=candidate:1 1 UDP"))),
		"an empty candidate in sdp":      bad(1002, closing.Candidate, answer(sdpOf("a=candidate"))),
		"candidates in sdp":              bad(1008, closing.Candidates, answer(sdpOf(repeat(9, "a="+hostCandidate)...))),
		"10,000 candidates in sdp":       bad(1008, closing.Candidates, answer(sdpOf(repeat(10_000, "a="+hostCandidate)...))),
		"candidates":                     bad(1008, closing.Candidates, repeat(9, trickle(hostCandidate))...),
		"candidates here and there":      bad(1008, closing.Candidates, append(repeat(5, trickle(hostCandidate)), answer(sdpOf(repeat(4, "a="+hostCandidate)...)))...),
		"ice that is a string":           bad(1002, closing.Candidate, `{"ice":"candidate"}`),
		"a candidate that is a number":   bad(1002, closing.Candidate, `{"ice":{"candidate":1}}`),
		"a media line that is no number": bad(1002, closing.Candidate, `{"ice":{"candidate":`+strconv.Quote(hostCandidate)+`,"sdpMLineIndex":"first"}}`),
		"a candidate cut off":            bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 2015363327 10.42.0.17")),
		"a candidate without type":       bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 1 10.42.0.17 38341 host typ")),
		"a type there is not":            bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 1 10.42.0.17 38341 typ guest")),
		"an address that is none":        bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 1 10.42.0.1717 38341 typ host")),
		"a port that is none":            bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 1 10.42.0.17 70000 typ host")),
		"a transport there is not":       bad(1002, closing.Candidate, trickle("candidate:1 1 SCTP 1 10.42.0.17 38341 typ host")),
		"two spaces in a candidate":      bad(1002, closing.Candidate, trickle("candidate:1 1 UDP 1 10.42.0.17 1  typ host typ relay")),
		"two lines in a candidate":       bad(1002, closing.Candidate, trickle(relayCandidate+"\r\na="+hostCandidate)),
		"a binary candidate":             {append(says(), binary(string(with(trickle(hostCandidate)).Data))), 1003, closing.Binary},
		"text that is none":              {append(says(), with("{\"a\":\"\xff\"}")), 1007, closing.Encoding},
		"a second HELLO":                 {append(says(), first), 1002, closing.SecondHello},
		"a second HELLO, bare":           {append(says(), text("HELLO")), 1002, closing.SecondHello},
	}
}

// goodNegotiation passes byte for byte when the policy is all, and so does what
// names no candidate under any policy.
var goodNegotiation = []string{
	`{}`, `{"ice":null}`, `{"sdp":null}`, `{"ice":{}}`, `{"ice":{"candidate":null,"sdpMid":null}}`, `{"ice":{"candidate":""}}`,
	`{"error":"no codec","SDP":7,"Ice":[]}`, ` {"ice" : {"candidate":"","sdpMLineIndex":1,"more":{}}} `,
	`{"sdp":null,"ice":{"candidate":""}}`, `{"sdp":{"type":"rollback"},"ice":null}`, `{"sdp":{"type":"rollback"}}`, `{"sdp":{"type":"rollback","sdp":""}}`, answer(sdpOf()), answer(sdpOf("a=end-of-candidates", "a=candidates:1")),
	answer(strings.ReplaceAll(sdpOf(), "\r", "")),
	answer(strings.Replace(sdpOf("a=sendonly", "a=setup:active"), "o=- 1 2 IN IP4 127.0.0.1", "o=mozilla...THIS_IS_SDPARTA-128.0 5186584356436577426 0 IN IP4 0.0.0.0", 1)),
}

// goodCandidates pass under policy all; the last alone passes under relay, without the
// address behind the relay.
var goodCandidates = []string{
	hostCandidate,
	strings.TrimPrefix(hostCandidate, "candidate:"),
	"a=" + hostCandidate,
	"candidate:842163049 1 udp 2113937151 7d1e9cf2-6a2b-4f35-8d7e-4c2b5f0a9e11.local 54321 typ host generation 0 ufrag mQ2f network-cost 999",
	"candidate:1190865175 1 tcp 1518280447 2001:db8::7 9 typ host tcptype active generation 0 ufrag mQ2f network-id 1",
	"candidate:3498147984 1 udp 1677729535 203.0.113.9 61002 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag mQ2f network-cost 999",
	relayCandidate,
}

func passesAsItIs(t *testing.T, c Conversation, m Message) {
	t.Helper()
	step, err := c.FromClient(m)
	if err != nil {
		t.Errorf("%.200s: %v", m.Data, err)
		return
	}
	if len(step.ToDesktop) != 1 || string(step.ToDesktop[0].Data) != string(m.Data) || !step.ToDesktop[0].Text || len(step.ToClient) != 0 {
		t.Errorf("%.200s became %+v", m.Data, step)
	}
	step, err = c.FromDesktop(m)
	if err != nil || len(step.ToClient) != 1 || string(step.ToClient[0].Data) != string(m.Data) || !step.ToClient[0].Text || len(step.ToDesktop) != 0 {
		t.Errorf("the desktop's %.200s became %+v, %v", m.Data, step, err)
	}
}

// passesWithoutRelated checks that a relay's candidate passes without the address behind
// the relay, in both directions, and all else as it is.
func passesWithoutRelated(t *testing.T, c Conversation, m Message) {
	t.Helper()
	payload := func(data []byte) (prefix string, v any) {
		at := bytes.IndexByte(data, '{')
		require.NoError(t, json.Unmarshal(data[at:], &v))
		return string(data[:at]), v
	}
	wantPrefix, want := payload(bytes.Replace(m.Data, []byte("raddr 10.42.0.17 rport 38341"), []byte("raddr 0.0.0.0 rport 0"), 1))
	fromClient, err := c.FromClient(m)
	require.NoError(t, err)
	fromDesktop, err := c.FromDesktop(m)
	require.NoError(t, err)
	for _, out := range [][]Message{fromClient.ToDesktop, fromDesktop.ToClient} {
		require.Len(t, out, 1, "%s became %d messages", m.Data, len(out))
		prefix, got := payload(out[0].Data)
		require.Equal(t, wantPrefix, prefix, "%s", m.Data)
		assert.Equal(t, want, got, "%s became %s", m.Data, out[0].Data)
	}
}

// negotiates checks what every WebRTC signaling lets pass and keeps back.
func negotiates(t *testing.T, p *Protocol, first Message, with func(payload string) Message) {
	t.Helper()
	begin := func(o Options) Conversation {
		c := p.Converse(o)
		c.Attached()
		_, err := c.FromClient(first)
		require.NoError(t, err)
		return c
	}
	all, relay := begin(roomy), begin(Options{ICEPolicy: v1alpha1.ICEPolicyRelay, MaxCandidates: 512})
	for _, good := range goodNegotiation {
		passesAsItIs(t, all, with(good))
		passesAsItIs(t, relay, with(good))
	}
	for _, c := range goodCandidates {
		passesAsItIs(t, all, with(trickle(c)))
		if c == relayCandidate {
			passesWithoutRelated(t, relay, with(trickle(c)))
			passesWithoutRelated(t, relay, with(answer(sdpOf("a="+c))))
			continue
		}
		fromClient, err := relay.FromClient(with(trickle(c)))
		fromDesktop, _ := relay.FromDesktop(with(trickle(c)))
		require.NoError(t, err, c)
		assert.Equal(t, 0, len(fromClient.ToDesktop)+len(fromDesktop.ToClient),
			"%s passed under policy relay: %+v %+v", c, fromClient, fromDesktop)
	}
	viaHost, viaRelay := strconv.Quote(hostCandidate), strconv.Quote(relayCandidate)
	for _, twice := range []string{
		`{"ice":{},"ice":{"candidate":` + viaHost + `}}`, `{"ice":null,"ice":{"candidate":` + viaHost + `}}`,
		`{"ice":{"candidate":` + viaRelay + `},"ice":{"candidate":` + viaHost + `}}`, `{"ice":{"candidate":` + viaRelay + `,"candidate":` + viaHost + `}}`,
	} {
		fromClient, err := relay.FromClient(with(twice))
		fromDesktop, _ := relay.FromDesktop(with(twice))
		require.NoError(t, err, twice)
		assert.Equal(t, 0, len(fromClient.ToDesktop)+len(fromDesktop.ToClient),
			"%s passed under policy relay: %+v %+v", twice, fromClient, fromDesktop)
	}
	recorded, err := os.ReadFile(filepath.Join("testdata", "chromium-156-offer.json"))
	require.NoError(t, err)
	chromium := strings.TrimSpace(string(recorded))
	passesAsItIs(t, all, with(chromium))
	passesAsItIs(t, relay, with(chromium))
	big := sdpOf(repeat(50_000, "a=x-padding:0123456789")...)
	require.GreaterOrEqual(t, len(big), 1<<20, "less than a megabyte")
	passesAsItIs(t, all, with(answer(big)))

	t.Run("a desktop's candidates above the limit are dropped", func(t *testing.T) {
		few := begin(Options{ICEPolicy: v1alpha1.ICEPolicyAll, MaxCandidates: 3})
		passed := 0
		for range 10_000 {
			step, err := few.FromDesktop(with(trickle(hostCandidate)))
			require.NoError(t, err)
			passed += len(step.ToClient)
		}
		assert.Equal(t, 3, passed, "candidates passed, want 3")
		few.Attached() // Another desktop counts from the start.
		step, err := few.FromDesktop(with(answer(sdpOf(repeat(10_000, "a="+hostCandidate)...))))
		require.NoError(t, err)
		require.Len(t, step.ToClient, 1)
		assert.Equal(t, 3, strings.Count(string(step.ToClient[0].Data), hostCandidate),
			"of 10,000 candidates in one description did not pass just 3")
	})
}
