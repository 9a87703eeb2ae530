package signaling

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
)

var selkies2Hi = text(`HELLO client {"client_type":"controller","client_slot":-1,"display_id":"primary"}`)

func toServer(payload string) Message { return text("server-8c1d2f9e " + payload) }

func TestSelkies2WebRTCIsHeldAnsweredAndPlayedOn(t *testing.T) {
	replay(t, "selkies2-webrtc-", Selkies2WebRTC)
}

func TestSelkies2WebRTCNegotiatesUnchangedAndWithinItsPolicy(t *testing.T) {
	negotiates(t, Selkies2WebRTC, selkies2Hi, toServer)
}

func TestSelkies2WebRTCEndsWithTheReasonOfEachAbuse(t *testing.T) {
	refused(t, Selkies2WebRTC, badNegotiation(selkies2Hi, toServer))
	first := func(m Message, code int, refusal *closing.Refusal) abuse { return abuse{[]Message{m}, code, refusal} }
	refused(t, Selkies2WebRTC, map[string]abuse{
		"nothing":                    first(text(""), 1002, closing.Protocol),
		"HELLO of nobody":            first(text("HELLO"), 1002, closing.Protocol),
		"HELLO of the older Selkies": first(selkies1Hi, 1002, closing.Protocol),
		"no metadata":                first(text("HELLO client"), 1002, closing.Protocol),
		"no JSON":                    first(text("HELLO client {"), 1002, closing.Protocol),
		"no client type":             first(text("HELLO client {}"), 1002, closing.Protocol),
		"a client type there is not": first(text(`HELLO client {"client_type":"admin"}`), 1002, closing.Protocol),
		"a call before HELLO":        first(text("SESSION server"), 1002, closing.Protocol),
		"binary":                     first(binary(string(selkies2Hi.Data)), 1003, closing.Binary),
		"no UTF-8":                   first(text("HELLO client \xff"), 1007, closing.Encoding),
		"the desktop's streamer":     first(text("HELLO server"), 1008, closing.DesktopPeer),
		"the streamer with a token":  first(text(`HELLO server {"server_token":"x"}`), 1008, closing.DesktopPeer),
		"a call to another viewer":   {[]Message{selkies2Hi, text("SESSION client-1")}, 1002, closing.Protocol},
		"a room":                     {[]Message{selkies2Hi, text("ROOM x")}, 1002, closing.Protocol},
		"nobody's message":           {[]Message{selkies2Hi, text(" {}")}, 1002, closing.Protocol},
		"a message without JSON":     {[]Message{selkies2Hi, text("server-1")}, 1002, closing.Protocol},
		"nothing after HELLO":        {[]Message{selkies2Hi, text("")}, 1002, closing.Protocol},
	})
}

func TestAViewerOfSelkies2WaitsForItsControllerForAWhile(t *testing.T) {
	viewerHi := text(`HELLO client {"client_type":"viewer","client_slot":2}`)
	const none = "No controller detected. Viewer clients require an existing controller client."
	converse := func(hi Message, held bool) *selkies2 {
		c := Selkies2WebRTC.Converse(Options{}).(*selkies2)
		if !held {
			c.Attached()
		}
		_, err := c.FromClient(hi)
		require.NoError(t, err)
		return c
	}
	c := converse(viewerHi, true)
	for i := range selkies2Early {
		c.Attached()
		require.True(t, c.Early(4000, none), "turned away the %dth time", i+1)
	}
	assert.False(t, c.Early(4000, none), "it is played to the desktop without end")
	for what, early := range map[string]bool{
		"a controller":                        converse(selkies2Hi, true).Early(4000, none),
		"who was not held":                    converse(viewerHi, false).Early(4000, none),
		"a viewer in a slot that there isn't": converse(viewerHi, true).Early(4000, "Invalid player id provided, check URL."),
		"a viewer with another code":          converse(viewerHi, true).Early(4001, none),
	} {
		assert.False(t, early, "%s is kept waiting", what)
	}
}

func FuzzSelkies2WebRTC(f *testing.F) {
	hi := "C " + string(selkies2Hi.Data)
	talk(f, []string{hi + "\nC SESSION server\nA\nD HELLO\nD ERROR peer server not found\nD SESSION_OK s", "A\n" + hi, "C HELLO server"}, toServer)
	f.Fuzz(func(t *testing.T, script string, relay bool, candidates int) {
		hearsay(t, Selkies2WebRTC, script, relay, candidates)
	})
}
