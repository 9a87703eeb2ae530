package signaling

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var looks = Options{ViewOnly: true}

func TestOfAViewerOnlyWhatShowsTheStreamReachesIt(t *testing.T) {
	for message, want := range map[string]string{
		"START_VIDEO": "both", "REQUEST_KEYFRAME": "both", "START_AUDIO": "both", "CLIENT_FRAME_ACK 17": "both", "CLIENT_FRAME_ACK": "both", "pong": "both",
		"STOP_VIDEO": "selkies", "SETTINGS,{}": "selkies",
		"m,960,540,0,0": "", "m2,1,-1,0,0": "", "kd,65": "", "ku,65": "", "kh,65": "", "kr": "", "co,end,x": "", "cw,aGk=": "", "cws,1": "", "cb,a,b": "",
		"cr": "", "REQUEST_CLIPBOARD": "", "js,b,0,1,1": "", "js,h,0": "", "r,1920x1080,primary": "", "s,96": "", "cmd,xterm": "", "p,1": "",
		"FILE_UPLOAD_START:x:1": "", "STOP_AUDIO": "", "SET_NATIVE_CURSOR_RENDERING,1": "", "START_VIDEO,kd,65": "", "CLIENT_FRAME_ACK kd": "",
		"START_VIDEO\nkd,65": "", " START_VIDEO": "", "": "", "settings,{}": "", "SETTINGS": "",
	} {
		for p, name := range map[*Protocol]string{Selkies2WebSockets: "selkies", LinuxServer: "linuxserver"} {
			step, err := p.Converse(looks).FromClient(text(message))
			require.NoError(t, err)
			passes := want == "both" || want == name
			assert.Equal(t, passes, len(step.ToDesktop) == 1, "%s: %q", p.Name, message)
			assert.False(t, step.Input, message)
			step, err = p.Converse(looks).FromClient(binary(message))
			require.NoError(t, err)
			assert.Empty(t, step.ToDesktop, "binary: %q", message)
		}
	}
}

func TestWhateverAViewersClientSaysTheDesktopHearsAStrictViewer(t *testing.T) {
	for _, said := range []string{
		`HELLO client {"client_type":"controller","client_slot":1,"client_token":"x"}`, `HELLO client {"client_type":"viewer"}`,
		`HELLO client {"client_type":"viewer","client_type":"controller"}`,
	} {
		c := Selkies2WebRTC.Converse(looks)
		step, err := c.FromClient(text(said))
		require.NoError(t, err)
		require.Len(t, step.ToDesktop, 1)
		assert.Equal(t, viewerHello, string(step.ToDesktop[0].Data))
		assert.True(t, c.(Patient).Early(selkies2Rejected, selkies2NoController), "it waits for a controller")
	}
	step, err := Selkies2WebRTC.Converse(Options{}).FromClient(text(`HELLO client {"client_type":"controller"}`))
	require.NoError(t, err)
	assert.NotContains(t, string(step.ToDesktop[0].Data), "strict", "others speak for themselves")
}

func TestWhereAViewerCannotBeKeptFromTypingThereIsNone(t *testing.T) {
	of := func(p v1alpha1.StreamingProtocol) *v1alpha1.VDISession {
		s := &v1alpha1.VDISession{}
		s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p}
		return s
	}
	for named, want := range map[v1alpha1.StreamingProtocol]bool{
		v1alpha1.ProtocolSelkies1: false, v1alpha1.ProtocolWebSocket: false, v1alpha1.ProtocolSelkies2WebRTC: true,
		v1alpha1.ProtocolSelkies2WebSockets: true, v1alpha1.ProtocolLinuxServer: true, v1alpha1.ProtocolAuto: true,
	} {
		assert.Equal(t, want, ViewOnly(of(named)), named)
	}
	auto := of(v1alpha1.ProtocolAuto)
	assert.True(t, ViewOnlyAt(auto, "/api/websockets"))
	assert.False(t, ViewOnlyAt(auto, "/anything"))
	assert.False(t, ViewOnlyAt(auto, "/websocket/api/webrtc/signaling"), "linuxserver.io's stream")
	assert.False(t, ViewOnlyAt(auto, "/webrtc/signalling/"))
	auto.Status.Activity = &v1alpha1.SessionActivity{Protocol: v1alpha1.ProtocolSelkies2WebRTC}
	assert.False(t, ViewOnlyAt(auto, "/api/websockets"), "the desktop speaks otherwise")
	assert.True(t, ViewOnlyAt(auto, "/api/webrtc/signaling"))
}

func TestAViewerAsksAsAViewer(t *testing.T) {
	for asked, want := range map[string]string{
		"/a": "/a?role=viewer", "/a?role=controller": "/a?role=viewer", "/a?x=1&slot=2&rol%65=controller&token=t": "/a?x=1&role=viewer",
	} {
		u, err := url.Parse(asked)
		require.NoError(t, err)
		assert.Equal(t, want, AsViewer(u).String())
	}
}

func FuzzViewer(f *testing.F) {
	for _, seed := range []string{"START_VIDEO", "kd,65", "CLIENT_FRAME_ACK 1", "SETTINGS,{}", `HELLO client {"client_type":"controller"}`} {
		f.Add(true, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, isText bool, data []byte) {
		m := Message{Text: isText, Data: data}
		for _, p := range []*Protocol{Selkies2WebSockets, LinuxServer} {
			step, err := p.Converse(looks).FromClient(m)
			if err != nil || len(step.ToClient) != 0 || step.Input || len(step.ToDesktop) > 0 && (isInput(m) || !isText) {
				t.Errorf("%s: %q became %+v, %v", p.Name, data, step, err)
			}
		}
		step, err := Selkies2WebRTC.Converse(looks).FromClient(m)
		if err == nil && len(step.ToDesktop) > 0 && !strings.Contains(string(step.ToDesktop[0].Data), `"client_strict_viewer":true`) {
			t.Errorf("%q lets in %q", data, step.ToDesktop[0].Data)
		}
	})
}

func TestWhoKeepsAViewerToLookingIsToldAsItIs(t *testing.T) {
	for _, p := range adapters {
		by := access.WatchingOf(p.named)
		assert.Equal(t, p.ViewOnly, by != access.ByNobody, p.Name)
		assert.Equal(t, p.ViewOnly && p.Traits.Signaling, by == access.ByDesktop, "%s: only signaling passes here", p.Name)
	}
}
