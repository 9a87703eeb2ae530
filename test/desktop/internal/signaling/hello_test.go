package signaling

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseHelloAsSelkiesDoes(t *testing.T) {
	meta := base64.StdEncoding.EncodeToString([]byte(`{"res":"1920x1080","scale":1.5}`))
	for _, c := range []struct {
		text string
		want Hello
		bad  bool
	}{
		{text: "HELLO 1 " + meta, want: Hello{UID: "1", Resolution: "1920x1080", Scale: 1.5}},
		{text: "HELLO 3", want: Hello{UID: "3"}},
		{text: "HELLO 3 %%%", want: Hello{UID: "3"}},
		{text: "HELLO 3 " + base64.StdEncoding.EncodeToString([]byte("[]")), want: Hello{UID: "3"}},
		{text: "HELLO", bad: true},
		{text: "HELLO ", bad: true},
		{text: "hello 1", bad: true},
		{text: "SESSION 1", bad: true},
		{text: "", bad: true},
	} {
		got, err := ParseHello(c.text)
		require.Equal(t, c.bad, err != nil)
		assert.Equal(t, c.want, got, "ParseHello(%q), %v", c.text, err)
	}
}

func TestSocketPathsOfSelkies(t *testing.T) {
	for path, want := range map[string]bool{
		"/ws": true, "/ws/": true, "/webrtc/signalling/": true, "/a/b/signalling": true, "/signalling": true,
		"/": false, "/ws/x": false, "/turn": false, "/signalling/x": false, "/x/ws": false,
	} {
		assert.Equal(t, want, IsPath(path), "IsPath(%q)", path)
	}
}

func TestParseMessage(t *testing.T) {
	for _, c := range []struct {
		text     string
		sdp, ice bool
		bad      bool
	}{
		{text: `{"sdp":{"type":"answer","sdp":"v=0"}}`, sdp: true},
		{text: `{"ice":{"candidate":"candidate:1","sdpMLineIndex":0,"sdpMid":"0","usernameFragment":"x"}}`, ice: true},
		{text: `{"ice":null}`},
		{text: `{"sdp":{"type":"rollback","sdp":"v=0"}}`, bad: true},
		{text: `{"sdp":{"type":"answer","sdp":""}}`, bad: true},
		{text: `{"sdp":{"type":"answer","sdp":"v=0"},"ice":{"candidate":"c"}}`, bad: true},
		{text: `HELLO 1`, bad: true},
	} {
		m, err := ParseMessage([]byte(c.text))
		require.Equal(t, c.bad, err != nil)
		assert.False(t, err == nil && ((m.SDP != nil) != c.sdp || (m.ICE != nil) != c.ice),
			"ParseMessage(%s) = %+v, %v", c.text, m, err)
	}
}
