package signaling

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func noSound() *v1alpha1.AccessPolicy      { return &v1alpha1.AccessPolicy{Audio: new(false)} }
func noMicrophone() *v1alpha1.AccessPolicy { return &v1alpha1.AccessPolicy{Microphone: new(false)} }
func clipboard(c v1alpha1.ClipboardAccess) *v1alpha1.AccessPolicy {
	return &v1alpha1.AccessPolicy{Clipboard: c}
}
func files(f v1alpha1.FilesAccess) *v1alpha1.AccessPolicy { return &v1alpha1.AccessPolicy{Files: f} }

// gzipped is a text as a client or a desktop sends it that compresses.
func gzipped(t testing.TB, words string) Message {
	t.Helper()
	var b bytes.Buffer
	b.WriteByte(gzippedWords)
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = w.Write([]byte(words))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return Message{Data: b.Bytes()}
}

// passes says which way a message passes under a policy, for both protocols alike.
func passes(t *testing.T, p *v1alpha1.AccessPolicy, m Message, fromClient bool) bool {
	t.Helper()
	var passed []bool
	for _, protocol := range []*Protocol{Selkies2WebSockets, LinuxServer} {
		c := protocol.Converse(Options{Access: p})
		said := c.FromDesktop
		if fromClient {
			said = c.FromClient
		}
		step, err := said(m)
		require.NoError(t, err)
		through := len(step.ToDesktop)+len(step.ToClient) == 1
		assert.NotEqual(t, through, step.Withheld, "%.40q", m.Data)
		passed = append(passed, through)
	}
	require.Equal(t, passed[0], passed[1], "%.40q", m.Data)
	return passed[0]
}

func TestAPolicyKeepsBackWhatAClientSaysOfWhatItForbidsAndNothingElse(t *testing.T) {
	into := []Message{text("cw,aGk="), text("cws,9"), text("cwd,aGk="), text("cwe"), text("cb,image/png,aGk="), text("cbs,image/png,9"), text("cbd,aGk="), text("cbe")}
	asks := []Message{text("cr"), text("REQUEST_CLIPBOARD")}
	uploads := []Message{text("FILE_UPLOAD_START:a.txt:4"), text("FILE_UPLOAD_END:a.txt"), text("FILE_UPLOAD_ERROR:a.txt:x"), binary("\x01data")}
	speech := []Message{binary("\x02pcm")}
	anyway := []Message{text("m,1,2,0,0"), text("kd,65"), text("kr"), text("co,end,cw"), text("SETTINGS,{}"), text("START_AUDIO"), text("CLIENT_FRAME_ACK 1"), text("r,1x1,primary"), text("")}
	for name, tc := range map[string]struct {
		policy   *v1alpha1.AccessPolicy
		withheld [][]Message
	}{
		"None of the clipboard": {clipboard(v1alpha1.ClipboardNone), [][]Message{into, asks}},
		"ToDesktop":             {clipboard(v1alpha1.ClipboardToDesktop), [][]Message{asks}},
		"FromDesktop":           {clipboard(v1alpha1.ClipboardFromDesktop), [][]Message{into}},
		"None of the files":     {files(v1alpha1.FilesNone), [][]Message{uploads}},
		"Download":              {files(v1alpha1.FilesDownload), [][]Message{uploads}},
		"Upload":                {files(v1alpha1.FilesUpload), nil},
		"no microphone":         {noMicrophone(), [][]Message{speech}},
		"no audio":              {noSound(), nil},
		"nothing forbidden":     {&v1alpha1.AccessPolicy{Watermark: "{user}"}, nil},
		"no policy":             {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range [][]Message{into, asks, uploads, speech, anyway} {
				forbidden := false
				for _, w := range tc.withheld {
					forbidden = forbidden || &w[0] == &kind[0]
				}
				for _, m := range kind {
					assert.Equal(t, !forbidden, passes(t, tc.policy, m, true), "%q", m.Data)
					if m.Text {
						assert.Equal(t, !forbidden, passes(t, tc.policy, gzipped(t, string(m.Data)), true), "gzipped: %q", m.Data)
					}
				}
			}
		})
	}
}

func TestAPolicyKeepsBackWhatADesktopSaysOfWhatItForbidsAndNothingElse(t *testing.T) {
	out := []string{"clipboard,aGk=", "clipboard_binary,image/png,aGk=", "clipboard_start,text/plain,9", "clipboard_data,aGk=", "clipboard_finish", "clipboard_reply,cr"}
	for _, p := range []*v1alpha1.AccessPolicy{clipboard(v1alpha1.ClipboardNone), clipboard(v1alpha1.ClipboardToDesktop)} {
		for _, m := range out {
			assert.False(t, passes(t, p, text(m), false), m)
			assert.False(t, passes(t, p, gzipped(t, m), false), "gzipped: %s", m)
		}
	}
	sound, picture := binary("\x01\x00opus"), binary("\x04\x01h264")
	assert.False(t, passes(t, noSound(), sound, false))
	for _, p := range []*v1alpha1.AccessPolicy{clipboard(v1alpha1.ClipboardFromDesktop), files(v1alpha1.FilesNone), noMicrophone(), nil} {
		for _, m := range out {
			assert.True(t, passes(t, p, text(m), false), m)
		}
		assert.True(t, passes(t, p, sound, false))
	}
	for _, p := range []*v1alpha1.AccessPolicy{clipboard(v1alpha1.ClipboardNone), noSound()} {
		for _, m := range []Message{picture, binary("\x03jpeg"), binary("\x00"), binary(""), text("MODE websockets"), text(`{"type":"clipboard"}`), text("cursor,{}")} {
			assert.True(t, passes(t, p, m, false), "%q", m.Data)
		}
	}
	assert.True(t, sift(streaming{}, noSound()).(Sifter).SiftsDesktop())
	assert.False(t, sift(streaming{}, noMicrophone()).(Sifter).SiftsDesktop(), "video needs not be looked at")
}

func TestWhatCannotBeReadDoesNotPass(t *testing.T) {
	p := clipboard(v1alpha1.ClipboardNone)
	whole := gzipped(t, "SETTINGS,{}").Data
	flagged := bytes.Clone(whole)
	flagged[4] |= 1 << 3 // a name follows, and has no end
	emptyFirst := append([]byte{gzippedWords, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 400)...)
	for name, m := range map[string][]byte{
		"no gzip": []byte("\x05cw,aGk="), "nothing": {gzippedWords}, "half a stream": whole[:len(whole)/2], "a header that goes on": flagged[:12],
		"empty blocks until nobody looks any more": emptyFirst, "an unknown kind": []byte("\x06cw,aGk="), "kind 0": {0},
	} {
		assert.False(t, passes(t, p, Message{Data: m}, true), name)
	}
	assert.False(t, passes(t, p, Message{Data: []byte("\x05clipboard,")}, false))
}

func TestTheBeginningOfALongMessageIsEnough(t *testing.T) {
	noise := make([]byte, 64<<10)
	_, _ = rand.Read(noise)
	long := base64.StdEncoding.EncodeToString(noise)
	s := sift(streaming{}, clipboard(v1alpha1.ClipboardNone)).(Sifter)
	head := func(m Message) Message { return Message{Text: m.Text, Data: m.Data[:SiftBytes]} }
	for words, want := range map[string]bool{"cw," + long: false, "SETTINGS," + long: true, "cwd," + long: false} {
		assert.Equal(t, want, s.Passes(true, head(text(words))), "%.10s", words)
		assert.Equal(t, want, s.Passes(true, head(gzipped(t, words))), "gzipped: %.10s", words)
	}
	assert.False(t, s.Passes(false, head(gzipped(t, "clipboard,"+long))))
	assert.True(t, s.Passes(false, head(gzipped(t, "cursor,"+long))))
}

func TestAViewerIsHeldToThePolicyToo(t *testing.T) {
	c := Selkies2WebSockets.Converse(Options{ViewOnly: true, Access: noSound()})
	step, err := c.FromDesktop(binary("\x01\x00opus"))
	require.NoError(t, err)
	assert.True(t, step.Withheld)
	step, err = c.FromClient(text("kd,65"))
	require.NoError(t, err)
	assert.Empty(t, step.ToDesktop)
}

func TestUnderAPolicyOnlyPathsPassWhereSomethingCanBeKeptBack(t *testing.T) {
	of := func(p v1alpha1.StreamingProtocol) *v1alpha1.VDISession {
		s := &v1alpha1.VDISession{}
		s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p}
		return s
	}
	for named, paths := range map[v1alpha1.StreamingProtocol]map[string]bool{
		v1alpha1.ProtocolAuto: {"/api/websockets": true, "/websockets": true, "/ws": true, "/websocket": false, "/": false},
		// nginx passes on all that begins with /websocket.
		v1alpha1.ProtocolLinuxServer:    {"/websockets": true, "/websocket": false, "/websocketsx": false, "/api/websockets": false},
		v1alpha1.ProtocolSelkies2WebRTC: {"/api/webrtc/signaling": true, "/api/websockets": false, "/api/ws": false},
	} {
		for path, want := range paths {
			assert.Equal(t, want, SiftsAt(of(named), path), "%s at %s", named, path)
		}
	}
}

// FuzzSift: what is gzipped is told apart as what is not, and no bytes stop the reader.
func FuzzSift(f *testing.F) {
	for _, seed := range []string{"cw,aGk=", "clipboard,aGk=", "FILE_UPLOAD_START:a:1", "cr", "", "m,1,2", strings.Repeat("x", 2*SiftBytes)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range []*v1alpha1.AccessPolicy{clipboard(v1alpha1.ClipboardToDesktop), clipboard(v1alpha1.ClipboardFromDesktop), files(v1alpha1.FilesNone)} {
			s := sift(streaming{}, p).(Sifter)
			for _, fromClient := range []bool{true, false} {
				plain := s.Passes(fromClient, Message{Text: true, Data: data})
				assert.Equal(t, plain, s.Passes(fromClient, gzipped(t, string(data))), "%q", data)
				s.Passes(fromClient, Message{Data: data})
				s.Passes(fromClient, Message{Data: append([]byte{gzippedWords}, data...)})
			}
		}
	})
}
