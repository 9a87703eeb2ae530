package main

import (
	"encoding/binary"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	front := httptest.NewServer(handler(time.Now()))
	t.Cleanup(front.Close)
	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(front.URL, "http")+path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}

func expect(t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	_, m, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, want, string(m), "heard %q", m)
}

func TestAViewerIsGreetedAndHearsItselfInOrder(t *testing.T) {
	ws := open(t, signalingPath)
	say(t, ws, "HELLO 1")
	say(t, ws, "a")
	say(t, ws, "b")
	for _, want := range []string{hello, "a", "b"} {
		expect(t, ws, want)
	}
}

func TestWhatAReplayCouldGetWrongEndsTheConnection(t *testing.T) {
	for name, said := range map[string][]string{"no HELLO first": {"a"}, "a second HELLO": {"HELLO 1", "HELLO 1"}} {
		ws := open(t, signalingPath)
		for _, text := range said {
			say(t, ws, text)
		}
		var err error
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
		assert.True(t, websocket.IsCloseError(err, websocket.CloseProtocolError), "%s: %v", name, err)
	}
}

func TestAFrameSaysWhenItWasDue(t *testing.T) {
	began := time.Now()
	ws := open(t, streamPath+"?bytes=100&hz=1000")
	last := began.UnixNano()
	for range 5 {
		_, frame, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Len(t, frame, 100, "bytes")
		due := int64(binary.BigEndian.Uint64(frame))
		require.Greater(t, due, last)
		require.LessOrEqual(t, due, time.Now().UnixNano(), "due, after one")
		last = due
	}
}
