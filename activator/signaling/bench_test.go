package signaling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A relayed message costs what these print; a mouse that is moved sends up to a
// thousand of the last kind a second.
func BenchmarkRelayedMessage(b *testing.B) {
	for name, c := range map[string]struct {
		protocol *Protocol
		first    Message
		then     Message
		desktop  bool
	}{
		"candidate":           {Selkies1, selkies1Hi, text(trickle(goodCandidates[3])), false},
		"desktop's candidate": {Selkies1, selkies1Hi, text(trickle(hostCandidate)), true},
		"answer":              {Selkies2WebRTC, selkies2Hi, toServer(answer(sdpOf(repeat(100, "a=rtpmap:123 H264/90000")...))), false},
		"pointer":             {Selkies2WebSockets, text("_gz,1"), text("m,960,540,0,0"), false},
	} {
		b.Run(name, func(b *testing.B) {
			conversation := c.protocol.Converse(Options{ICEPolicy: "all"})
			conversation.Attached()
			_, err := conversation.FromClient(c.first)
			require.NoError(b, err)
			says := conversation.FromClient
			if c.desktop {
				says = conversation.FromDesktop
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(c.then.Data)))
			for b.Loop() {
				_, err := says(c.then)
				require.NoError(b, err)
			}
		})
	}
}
