package attacks

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// forbidden lets nothing of clipboard, files and sound pass alice's desktop.
func (h *house) forbidden() {
	h.Change(func(s *v1alpha1.VDISession) {
		s.Status.Access = &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone, Files: v1alpha1.FilesNone, Audio: new(false), Microphone: new(false)}
	})
}

// squeezed is a text as Selkies 2 sends it that compresses.
func squeezed(words string) string {
	var b bytes.Buffer
	b.WriteByte(5)
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, words)
	_ = w.Close()
	return b.String()
}

// policy are the ways past an access policy: by each direction, protocol and shape of a message.
func policy(h *house) (all []attack) {
	h.forbidden()
	cookie := h.cookie()
	bye := string(frame.Append(nil, ws.OpClose, true, []byte{3, 0xe8}, true))
	f := func(op ws.OpCode, fin bool, data string, client bool) string {
		return string(frame.Append(nil, op, fin, []byte(data), client))
	}
	long := strings.Repeat("x", 200<<10)
	for _, path := range []string{"/api/websockets", "/websockets", "/x/api/websockets/", "/websockets/"} {
		mine := map[string]string{
			"an upload's bytes": f(ws.OpBinary, true, "\x01trap", true), "a voice": f(ws.OpBinary, true, "\x02trap", true),
			"bytes of no known kind": f(ws.OpBinary, true, "\x07trap", true), "what is no gzip": f(ws.OpBinary, true, "\x05trap", true),
			"a clipboard of 200 KiB": f(ws.OpText, true, "cw,trap"+long, true),
			"a clipboard letter by letter": f(ws.OpText, false, "c", true) + f(ws.OpContinuation, false, "w", true) + f(ws.OpContinuation, false, "", true) +
				f(ws.OpContinuation, true, ",trap", true),
			"a clipboard letter by letter of 200 KiB": f(ws.OpText, false, "c", true) + f(ws.OpContinuation, false, "w", true) +
				f(ws.OpContinuation, true, ",trap"+long, true),
			"a voice behind nothing": f(ws.OpBinary, false, "", true) + f(ws.OpContinuation, true, "\x02trap", true),
		}
		for name, words := range map[string]string{
			"a clipboard": "cw,trap", "a long one's begin": "cws,trap", "a long one's part": "cwd,trap", "a picture": "cb,image/png,trap",
			"a long picture's begin": "cbs,image/trap,9", "a long picture's part": "cbd,trap", "a question for the clipboard": "cr,trap",
			"another question": "REQUEST_CLIPBOARD,trap", "an upload": "FILE_UPLOAD_START:trap:4", "an upload's end": "FILE_UPLOAD_END:trap",
		} {
			mine[name] = f(ws.OpText, true, words, true)
			mine[name+", gzipped"] = f(ws.OpBinary, true, squeezed(words), true)
		}
		head := upgrade(path, cookie, "Origin: https://"+victim)
		for name, frames := range mine {
			all = append(all, attack{name: "sends " + name + " at " + path, who: insider, want: "101 echo START_VIDEO", reaches: 1,
				try: func(t *testing.T, h *house) (string, string) { return h.talked(t, head, frames) }, never: []string{"trap"}})
		}
		theirs := map[string]string{
			"sound": f(ws.OpBinary, true, "\x01\x00trap", false), "a clipboard of 200 KiB": f(ws.OpText, true, "clipboard,trap"+long, false),
			"a clipboard letter by letter": f(ws.OpText, false, "clip", false) + f(ws.OpContinuation, true, "board,trap", false),
			"sound of 200 KiB":             f(ws.OpBinary, true, "\x01\x00trap"+long, false),
		}
		for name, words := range map[string]string{
			"its clipboard": "clipboard,trap", "a picture": "clipboard_binary,image/png,trap", "a long one's begin": "clipboard_start,trap,9",
			"a long one's part": "clipboard_data,trap", "an answer": "clipboard_reply,trap",
		} {
			theirs[name] = f(ws.OpText, true, words, false)
			theirs[name+", gzipped"] = f(ws.OpBinary, true, squeezed(words), false)
		}
		for name, frames := range theirs {
			all = append(all, attack{name: "tells " + name + " at " + path, who: shell, want: "101 echo hello", reaches: 1, never: []string{"trap"},
				try: func(t *testing.T, h *house) (string, string) {
					h.desktop.answers(func(c net.Conn, r *http.Request) {
						_, _ = io.WriteString(c, upgraded(r)+frames+f(ws.OpText, true, "echo hello", false))
						for f, err := ws.ReadFrame(c); err == nil && f.Header.OpCode != ws.OpClose; f, err = ws.ReadFrame(c) {
						}
					})
					defer h.desktop.answers(nil)
					return spoken(t, h, head, bye)
				}})
		}
	}
	for _, path := range []string{"/websocket", "/websocketsx", "/api/ws", "/", "/vnc", "/websockets/x", "/api/websockets/x",
		// linuxserver.io's web server takes all of these for its stream's, by how they begin.
		"/websocket/signalling", "/websockets/x/signalling/", "/websocket/api/webrtc/signaling", "/sub/websocket/signalling", "/%77ebsocket/signalling",
		"/./websocket//signalling", "/x/../websocket/signalling",
		// And these for whatever listens at a port of the desktop.
		"/pelorus/websockets", "/sub/pelorus/api/websockets", "/devmode/websockets", "//devmode/api/websockets"} {
		all = append(all, attack{name: "a WebSocket at " + path, who: insider, sent: upgrade(path, cookie, "Connection: close"), want: "403", why: closing.AccessProtocol})
	}
	for _, path := range []string{"/files", "/files/", "/files/a", "//files/a", "/./files/a", "/x/../files/a", "/%66iles/a", "/files%2fa", "/files../a", "/sub/files/a",
		"/api/files", "/api/files/", "/api/files/a", "/api//files/a", "/api/%66iles/a", "/api%2ffiles/a",
		// Files with the names of questions that the activator knows.
		"/files/api/status", "/files/api/turn", "/files/turn", "/files/x.js",
		// Out of the folder by its letters, and in it by a link.
		"/api/files/link/../../a", "/api/files/link/../../../a"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PROPFIND"} {
			all = append(all, attack{name: fmt.Sprint("asks for files by ", method, " ", path), who: insider, want: "403", why: closing.AccessFiles,
				sent: request(method+" "+path+" HTTP/1.1", "Host: "+victim, "Origin: https://"+victim, "Connection: close", cookie)})
		}
	}
	for _, path := range []string{"/devmode", "/devmode/a", "/devmodes", "//devmode/a", "/x/../devmode/a", "/%64evmode/a", "/pelorus", "/pelorus/", "/pelorus/api/state",
		"/sub/pelorus/api/state", "/pelorus//a", "/%70elorus/a", "/pelorus%2fa", "/x/../pelorus/a"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			all = append(all, attack{name: fmt.Sprint("asks a program of the desktop by ", method, " ", path), who: insider, want: "403", why: closing.AccessPassage,
				sent: request(method+" "+path+" HTTP/1.1", "Host: "+victim, "Origin: https://"+victim, "Connection: close", cookie)})
		}
	}
	for _, path := range []string{"/api/upload", "/api/upload/", "//api/upload", "/api/./upload", "/api/%75pload", "/sub/api/upload", "/api/upload?x=1", "/api/upload/../a"} {
		for _, method := range []string{"POST", "PUT", "GET"} {
			all = append(all, attack{name: fmt.Sprint("brings a file by ", method, " ", path), who: insider, want: "403", why: closing.AccessFiles,
				sent: request(method+" "+path+" HTTP/1.1", "Host: "+victim, "Origin: https://"+victim, "Connection: close", "Content-Length: 0", cookie)})
		}
	}
	return all
}

// talked sends frames once the desktop has answered a first message, and a word that is allowed behind
// them; got is what the desktop says to what has reached it first.
func (h *house) talked(t *testing.T, head, frames string) (got, raw string) {
	t.Helper()
	word := func(text string) string { return string(frame.Append(nil, ws.OpText, true, []byte(text), true)) }
	c := h.dial(t, h.public)
	_, err := io.WriteString(c, head+word("REQUEST_KEYFRAME"))
	require.NoError(t, err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	f, err := ws.ReadFrame(in)
	require.NoError(t, err)
	require.Equal(t, "echo REQUEST_KEYFRAME", string(f.Payload))
	_, err = io.WriteString(c, frames+word("START_VIDEO"))
	require.NoError(t, err)
	f, err = ws.ReadFrame(in)
	require.NoError(t, err)
	raw = string(f.Payload)
	_, err = c.Write(frame.Append(nil, ws.OpClose, true, []byte{3, 0xe8}, true))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, in)
	return fmt.Sprintf("%d %.40s", resp.StatusCode, raw), raw
}
