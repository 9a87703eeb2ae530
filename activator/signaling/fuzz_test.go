package signaling

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// talk adds to a fuzz test's corpus how a protocol begins and what may follow, in
// many short scripts as hearsay reads them; with is how a payload is sent.
func talk(f *testing.F, begins []string, with func(payload string) Message) {
	f.Helper()
	payloads := slices.Clone(goodNegotiation)
	for _, c := range goodCandidates {
		payloads = append(payloads, trickle(c))
	}
	payloads = append(payloads, answer(sdpOf("a="+hostCandidate, "a="+relayCandidate)))
	for _, begin := range begins {
		f.Add(begin, false, 3)
		for _, p := range payloads {
			said := string(with(p).Data)
			f.Add(begin+"\nC "+said+"\nD "+said, true, 3)
		}
	}
}

// hearsay lets the two sides say what a script has them say: each line is a message
// of the client (C, binary: B) or the desktop (D, binary: E), or a new desktop (A).
// It checks what holds for every signaling of Selkies whatever they say.
func hearsay(t *testing.T, p *Protocol, script string, relay bool, candidates int) {
	t.Helper()
	options := Options{ICEPolicy: v1alpha1.ICEPolicyAll, MaxCandidates: max(candidates, 1)}
	if relay {
		options.ICEPolicy = v1alpha1.ICEPolicyRelay
	}
	c := p.Converse(options)
	attached, early, repeats := false, false, false
	for line := range strings.SplitSeq(script, "\n") {
		who, data, _ := strings.Cut(line, " ")
		m := Message{Text: who == "C" || who == "D", Data: []byte(data)}
		var step Step
		var err error
		switch who {
		case "A":
			c.Attached()
			attached, repeats = true, early
			continue
		case "C", "B":
			if step, err = c.FromClient(m); err != nil {
				wellFormed(t, err)
				return
			}
			passedOnce(t, p, m, step.ToDesktop, relay)
			if len(step.ToClient) > 0 {
				if early || attached || string(step.ToClient[0].Data) != hello || len(step.ToClient) > 1 {
					t.Fatalf("%q was answered early by %+v", line, step)
				}
				early = true
			}
			require.EqualValues(t, 0, step.After, "%q waits", line)
		case "D", "E":
			step, err = c.FromDesktop(m)
			require.NoError(t, err, "the desktop's %q ended the connection", line)
			passedOnce(t, p, m, step.ToClient, relay)
			require.False(t, len(step.ToDesktop) > 0 && (step.After <= 0 || string(step.ToDesktop[0].Data) != selkies2Call),
				"%q was answered by %+v", line, step)
			if who == "D" && data == hello {
				require.Equal(t, repeats, len(step.ToClient) == 0, "HELLO kept back")
				repeats = false
			}
		default:
			continue
		}
		require.False(t, step.Input, "%q is taken for input", line)
	}
}

func wellFormed(t *testing.T, err error) {
	t.Helper()
	var v *closing.Ending
	if !errors.As(err, &v) || v.Code < 1002 || v.Code > 1009 || v.Label() == "" || v.Reason == "" || len(v.Reason) > 123 {
		t.Fatalf("an ending nobody understands: %#v", err)
	}
}

// passedOnce checks what became of a message: it passed unchanged, or some of it was
// taken out under policy relay, or all of it.
func passedOnce(t *testing.T, p *Protocol, m Message, out []Message, relay bool) {
	t.Helper()
	if len(out) == 0 {
		return
	}
	got := out[0]
	switch {
	case len(out) > 1 || !got.Text || !m.Text:
		t.Fatalf("%q became %+v", m.Data, out)
	case string(got.Data) == string(m.Data):
	case len(got.Data) > 2*len(m.Data)+64:
		t.Fatalf("%d bytes became %d", len(m.Data), len(got.Data))
	case !relay && !strings.Contains(strings.ToLower(string(m.Data)), "candidate"):
		t.Fatalf("%q became %q", m.Data, got.Data)
	}
	if relay {
		onlyRelays(t, p, string(got.Data))
	}
}

// onlyRelays reads a message as a client does, with another JSON library than ours:
// the whole of it, and with Selkies 2, which names whom it is for, what follows its first space.
func onlyRelays(t *testing.T, p *Protocol, message string) {
	t.Helper()
	payloads := []string{message}
	if _, addressed, is := strings.Cut(message, " "); is && p != Selkies1 {
		payloads = append(payloads, addressed)
	}
	for _, payload := range payloads {
		var m map[string]any
		if json.Unmarshal([]byte(payload), &m) != nil {
			continue
		}
		if init, ok := m["ice"].(map[string]any); ok {
			c, _ := init["candidate"].(string)
			require.False(t, c != "" && !anonymous(c), "passed under policy relay: %q", message)
		}
		if description, ok := m["sdp"].(map[string]any); ok {
			sdp, _ := description["sdp"].(string)
			for line := range strings.SplitSeq(sdp, "\n") {
				require.False(t, strings.HasPrefix(line, "a=candidate:") && !anonymous(line), "passed under policy relay: %q", message)
			}
		}
	}
}

// anonymous says that a candidate is a relay's and does not tell who is behind it.
func anonymous(candidate string) bool {
	_, after, relay := strings.Cut(candidate, " typ relay")
	fields := strings.Fields(strings.ToLower(after))
	at := slices.Index(fields, "raddr")
	return relay && (at < 0 || at+1 == len(fields) || fields[at+1] == anyIPv4 || fields[at+1] == anyIPv6)
}
