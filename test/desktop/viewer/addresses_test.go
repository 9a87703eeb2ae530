package viewer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddressesAreThoseOfEachProtocolsClient(t *testing.T) {
	for _, c := range []struct {
		text         string
		protocol     Protocol
		page, socket string
	}{
		{"http://h", Selkies1, "http://h", "ws://h/webrtc/signalling/"},
		{"https://h:8443/", Selkies1, "https://h:8443/", "wss://h:8443/webrtc/signalling/"},
		{"https://h/session/", Selkies1, "https://h/session/", "wss://h/session/signalling/"},
		{"https://h/session", Selkies1, "https://h/session", "wss://h/webrtc/signalling/"},
		{"ws://h/a/signalling/?key=v", Selkies1, "http://h/", "ws://h/a/signalling/?key=v"},
		{"http://h", Selkies2WebRTC, "http://h", "ws://h/api/webrtc/signaling/"},
		{"https://h/s/abc/", Selkies2WebRTC, "https://h/s/abc/", "wss://h/s/abc/api/webrtc/signaling/"},
		{"http://h/s/page", Selkies2WebSockets, "http://h/s/page", "ws://h/s/api/websockets"},
		{"http://h/?token=t", LinuxServer, "http://h/?token=t", "ws://h/websockets?token=t"},
	} {
		page, socket, err := addresses(c.text, c.protocol)
		require.NoError(t, err)
		require.Equal(t, c.page, page.String())
		assert.Equal(t, c.socket, socket.String(), "addresses(%q, %d) = %v, %v", c.text, c.protocol, page, socket)
	}
	for _, text := range []string{"", "h", "ftp://h/"} {
		_, _, err := addresses(text, Selkies1)
		assert.Error(t, err, "addresses(%q) took it", text)
	}
}
