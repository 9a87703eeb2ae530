package attacks

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
)

// echo is what a desktop's WebSocket does: it says what it hears.
func echo(c net.Conn, in *bufio.Reader) {
	for {
		f, err := ws.ReadFrame(in)
		if err != nil || f.Header.OpCode == ws.OpClose {
			return
		}
		if f.Header.OpCode.IsData() {
			f = ws.UnmaskFrameInPlace(f)
			if ws.WriteFrame(c, ws.NewTextFrame(append([]byte("echo "), f.Payload...))) != nil {
				return
			}
		}
	}
}

// long is a frame's header with a length of 64 bits.
func long(first byte, length uint64, masked bool) []byte {
	b := append([]byte{first, 127}, binary.BigEndian.AppendUint64(nil, length)...)
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return b
}

// breach is what breaks RFC 6455, by a client or by a desktop.
type breach struct {
	raw  []byte
	why  *closing.Refusal
	code int
}

// breaches are both sides' alike.
func breaches(client bool) map[string]breach {
	all := map[string]breach{}
	put := func(name string, why *closing.Refusal, frames ...[]byte) {
		all[name] = breach{slices.Concat(frames...), why, why.Code}
	}
	f := func(op ws.OpCode, fin bool, data string) []byte {
		return frame.Append(nil, op, fin, []byte(data), client)
	}
	// head has a frame of no payload with another first byte.
	head := func(first byte) []byte {
		b := f(ws.OpText, true, "")
		b[0] = first
		return b
	}
	put("the other side's masks", closing.FrameMask, frame.Append(nil, ws.OpText, true, []byte("hi"), !client))
	put("the other side's masks on a ping", closing.FrameMask, frame.Append(nil, ws.OpPing, true, nil, !client))
	put("the other side's masks on an end", closing.FrameMask, frame.Append(nil, ws.OpClose, true, []byte{3, 0xe8}, !client))
	put("the other side's masks from the second frame on", closing.FrameMask, f(ws.OpText, false, "a"),
		frame.Append(nil, ws.OpContinuation, true, []byte("b"), !client))
	for bit := range 3 {
		put(fmt.Sprint("reserved bit ", bit+1), closing.FrameReserved, head(0x81|0x40>>bit))
		put(fmt.Sprint("reserved bit ", bit+1, " on a ping"), closing.FrameReserved, head(0x89|0x40>>bit))
		put(fmt.Sprint("reserved bit ", bit+1, " on a continuation"), closing.FrameReserved, f(ws.OpText, false, "a"), head(0x80|0x40>>bit))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		put(fmt.Sprintf("opcode %x", op), closing.FrameOpcode, head(0x80|op))
	}
	for name, op := range map[string]ws.OpCode{"ping": ws.OpPing, "pong": ws.OpPong, "close": ws.OpClose} {
		put("a fragment of a "+name, closing.FrameControl, f(op, false, ""))
		put("a long "+name, closing.FrameControl, f(op, true, strings.Repeat("x", 126)))
		b := long(0x80|byte(op), 1<<20, client)
		put("a "+name+" of a megabyte", closing.FrameControl, b)
	}
	put("a continuation of nothing", closing.FrameOrder, f(ws.OpContinuation, true, "x"))
	put("a beginning of a continuation of nothing", closing.FrameOrder, f(ws.OpContinuation, false, "x"))
	put("a continuation of what has ended", closing.FrameOrder, f(ws.OpText, false, "a"), f(ws.OpContinuation, true, "b"), f(ws.OpContinuation, true, "c"))
	put("a message within another", closing.FrameOrder, f(ws.OpText, false, "a"), f(ws.OpText, true, "b"))
	put("a message of bytes within one of text", closing.FrameOrder, f(ws.OpText, false, "a"), f(ws.OpBinary, false, "b"))
	short := func(b []byte) []byte {
		if client {
			b[1] |= 0x80
			b = append(b, 1, 2, 3, 4)
		}
		return b
	}
	put("a length of 0 in two bytes", closing.FrameLength, short([]byte{0x81, 126, 0, 0}))
	put("a length of 125 in two bytes", closing.FrameLength, short([]byte{0x81, 126, 0, 125}))
	put("a length of 0 in eight bytes", closing.FrameLength, long(0x82, 0, client))
	put("a length of 65535 in eight bytes", closing.FrameLength, long(0x82, 0xffff, client))
	put("a length of 2^63", closing.FrameLength, long(0x82, 1<<63, client))
	put("a length of 2^64-1", closing.FrameLength, long(0x82, 1<<64-1, client))
	return all
}

func frames(h *house) (all []attack) {
	cookie := h.cookie()
	n := 0
	add := func(name string, from who, try func(*testing.T, *house, string) (string, string), want string, why *closing.Refusal) {
		n++
		at := fmt.Sprint("/desk", n)
		all = append(all, attack{name: name, who: from, want: want, why: why, reaches: 1, early: strings.HasSuffix(name, " at once"),
			try: func(t *testing.T, h *house) (string, string) { return try(t, h, upgrade(at, cookie)) }})
	}
	mine := breaches(true)
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		b := mine[name]
		at := fmt.Sprint("101 close ", b.code)
		add(name+" at once", insider, func(t *testing.T, h *house, head string) (string, string) {
			return h.send(t, h.public, head+string(b.raw))
		}, at, b.why)
		add(name+" once the desktop is there", insider, func(t *testing.T, h *house, head string) (string, string) { return h.live(t, head, b.raw) }, at, b.why)
	}
	theirs := breaches(false)
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		b := theirs[name]
		add(name+" after its greeting", shell, func(t *testing.T, h *house, head string) (string, string) {
			greeting := frame.Append(nil, ws.OpText, true, []byte("hi"), false)
			h.desktop.answers(func(c net.Conn, r *http.Request) {
				_, _ = io.WriteString(c, upgraded(r)+string(greeting)+string(b.raw))
				for f, err := ws.ReadFrame(c); err == nil && f.Header.OpCode != ws.OpClose; f, err = ws.ReadFrame(c) {
				}
			})
			defer h.desktop.answers(nil)
			return h.send(t, h.public, head)
		}, fmt.Sprint("101 close ", b.code), b.why)
	}
	text := func(s string) []byte { return frame.Append(nil, ws.OpText, true, []byte(s), true) }
	for name, tc := range map[string]struct {
		at   string
		raw  []byte
		code int
		why  *closing.Refusal
	}{
		"text that is not UTF-8":           {"/webrtc/signalling/", text("HELLO \xff"), 1007, closing.Encoding},
		"text that is cut within a letter": {"/webrtc/signalling/", text("HELLO \xe2\x82"), 1007, closing.Encoding},
		"text with a surrogate":            {"/webrtc/signalling/", text("HELLO \xed\xa0\x80"), 1007, closing.Encoding},
		"text with an overlong slash":      {"/webrtc/signalling/", text("HELLO \xc0\xaf"), 1007, closing.Encoding},
		"bytes where there is text":        {"/webrtc/signalling/", frame.Append(nil, ws.OpBinary, true, []byte("HELLO 1"), true), 1003, closing.Binary},
		"no HELLO":                         {"/webrtc/signalling/", text("SESSION 1"), 1002, closing.Protocol},
		"a HELLO as the desktop's peer":    {"/webrtc/signalling/", text("HELLO 0"), 1008, closing.DesktopPeer},
		"two HELLOs":                       {"/webrtc/signalling/", append(text("HELLO 1"), text("HELLO 1")...), 1002, closing.SecondHello},
		"a message of 65 KiB":              {"/webrtc/signalling/", text("HELLO " + strings.Repeat("1", 65<<10)), 1009, closing.MessageTooLong},
		"a message of 2^63-1 bytes":        {"/webrtc/signalling/", long(0x81, 1<<63-1, true), 1009, closing.MessageTooLong},
		"fragments of 2^63-1 bytes together": {"/webrtc/signalling/",
			append(frame.Append(nil, ws.OpText, false, []byte("x"), true), long(0x80, 1<<63-1, true)...), 1009, closing.MessageTooLong},
		"a session description of rubbish": {"/webrtc/signalling/", append(text("HELLO 1"), text(`{"sdp":{"type":"offer","sdp":"rubbish"}}`)...), 1002,
			closing.SDP},
		"a candidate of rubbish": {"/webrtc/signalling/", append(text("HELLO 1"), text(`{"ice":{"candidate":"rubbish","sdpMLineIndex":0}}`)...),
			1002, closing.Candidate},
	} {
		all = append(all, attack{name: name, who: insider, sent: upgrade(tc.at, cookie) + string(tc.raw), want: fmt.Sprint("101 close ", tc.code),
			why: tc.why, reaches: 1, early: true})
	}
	// Ends with codes that may not be sent (RFC 6455, section 7.4) end the connection all the same.
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1012, 1015, 1016, 2999, 5000, 65535} {
		payload := binary.BigEndian.AppendUint16(nil, uint16(code)) //nolint:gosec // all fit
		add(fmt.Sprint("an end with code ", code), insider, func(t *testing.T, h *house, head string) (string, string) {
			got, raw := h.live(t, head, frame.Append(nil, ws.OpClose, true, payload, true))
			return strings.Join(strings.Fields(got)[:2], " "), raw
		}, "101 close", nil)
	}
	for name, payload := range map[string]string{"an end of one byte": "\x03", "an end whose reason is not UTF-8": "\x03\xe8\xff"} {
		add(name, insider, func(t *testing.T, h *house, head string) (string, string) {
			got, raw := h.live(t, head, frame.Append(nil, ws.OpClose, true, []byte(payload), true))
			return strings.Join(strings.Fields(got)[:2], " "), raw
		}, "101 close", nil)
	}
	return all
}

// live sends once the desktop has answered a first message.
func (h *house) live(t *testing.T, head string, raw []byte) (got, all string) {
	t.Helper()
	c := h.dial(t, h.public)
	_, err := io.WriteString(c, head+string(frame.Append(nil, ws.OpText, true, []byte("hi"), true)))
	require.NoError(t, err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	f, err := ws.ReadFrame(in)
	require.NoError(t, err)
	require.Equal(t, "echo hi", string(f.Payload))
	_, err = c.Write(raw)
	require.NoError(t, err)
	got = strings.Join(append([]string{"101"}, closed(in)...), " ")
	_ = c.Close()
	return got, ""
}
