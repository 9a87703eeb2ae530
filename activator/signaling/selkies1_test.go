package signaling

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
)

var (
	selkies1Meta = base64.StdEncoding.EncodeToString([]byte(`{"res":"1920x1080","scale":1}`))
	selkies1Hi   = text("HELLO 1 " + selkies1Meta)
)

func plainly(payload string) Message { return text(payload) }

func TestSelkies1IsHeldAnsweredAndPlayedOn(t *testing.T) { replay(t, "selkies1", Selkies1) }

func TestSelkies1NegotiatesUnchangedAndWithinItsPolicy(t *testing.T) {
	negotiates(t, Selkies1, selkies1Hi, plainly)
}

func TestSelkies1EndsWithTheReasonOfEachAbuse(t *testing.T) {
	refused(t, Selkies1, badNegotiation(selkies1Hi, plainly))
	first := func(m Message, code int, refusal *closing.Refusal) abuse { return abuse{[]Message{m}, code, refusal} }
	refused(t, Selkies1, map[string]abuse{
		"nothing":                  first(text(""), 1002, closing.Protocol),
		"HELLO of nobody":          first(text("HELLO"), 1002, closing.Protocol),
		"another greeting":         first(text("hello 1 "+selkies1Meta), 1002, closing.Protocol),
		"a fourth word":            first(text("HELLO 1 "+selkies1Meta+" more"), 1002, closing.Protocol),
		"no base64":                first(text("HELLO 1 no-base64!"), 1002, closing.Protocol),
		"no JSON":                  first(text("HELLO 1 "+base64.StdEncoding.EncodeToString([]byte("no JSON"))), 1002, closing.Protocol),
		"an offer before HELLO":    first(text(answer(sdpOf())), 1002, closing.Protocol),
		"binary":                   first(binary("HELLO 1"), 1003, closing.Binary),
		"no UTF-8":                 first(text("HELLO \xff"), 1007, closing.Encoding),
		"the desktop's video side": first(text("HELLO 0 "+selkies1Meta), 1008, closing.DesktopPeer),
		"the desktop's audio side": first(text("HELLO 2"), 1008, closing.DesktopPeer),
		"a call of its own":        {[]Message{selkies1Hi, text("SESSION 0")}, 1002, closing.Protocol},
		"a room":                   {[]Message{selkies1Hi, text("ROOM x")}, 1002, closing.Protocol},
		"nothing after HELLO":      {[]Message{selkies1Hi, text("")}, 1002, closing.Protocol},
	})
}

func TestSelkies1TakesAHelloWithAndWithoutMetadata(t *testing.T) {
	for _, m := range []string{"HELLO 1 " + selkies1Meta, "HELLO 3 " + selkies1Meta, "HELLO 1", "HELLO 1 "} {
		_, err := Selkies1.Converse(roomy).FromClient(text(m))
		assert.NoError(t, err, m)
	}
}

func TestASelkies1ViewerThatFindsItsPeerTakenWaitsForIt(t *testing.T) {
	c := Selkies1.Converse(roomy).(Patient)
	assert.False(t, c.Early(1002, "invalid peer uid"), "without a HELLO it is no verdict on a peer")
	_, err := c.(Conversation).FromClient(selkies1Hi)
	require.NoError(t, err)
	for range 100 {
		require.True(t, c.Early(1002, "invalid peer uid"), "it does not wait for as long as it is held")
	}
	for reason, code := range map[string]int{"invalid protocol": 1002, "": 1002, "invalid peer uid": 1000} {
		assert.False(t, c.Early(code, reason), "%d %q does not turn it away for another viewer", code, reason)
	}
}

func FuzzSelkies1(f *testing.F) {
	talk(f, []string{"C HELLO 1\nA\nD HELLO", "A\nC HELLO 3\nA\nD ERROR x", "C HELLO 0", "B 1"}, plainly)
	f.Fuzz(func(t *testing.T, script string, relay bool, candidates int) {
		hearsay(t, Selkies1, script, relay, candidates)
	})
}
