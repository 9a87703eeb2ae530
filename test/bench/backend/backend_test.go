package main

import (
	"encoding/binary"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func open(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	front := httptest.NewServer(handler(time.Now()))
	t.Cleanup(front.Close)
	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(front.URL, "http")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	if _, m, err := ws.ReadMessage(); err != nil || string(m) != want {
		t.Fatalf("heard %q, %v; want %q", m, err, want)
	}
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
		if !websocket.IsCloseError(err, websocket.CloseProtocolError) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFrameSaysWhenItWasDue(t *testing.T) {
	began := time.Now()
	ws := open(t, streamPath+"?bytes=100&hz=1000")
	last := began.UnixNano()
	for range 5 {
		_, frame, err := ws.ReadMessage()
		if err != nil || len(frame) != 100 {
			t.Fatalf("%d bytes, %v", len(frame), err)
		}
		due := int64(binary.BigEndian.Uint64(frame))
		if due <= last || due > time.Now().UnixNano() {
			t.Fatalf("due at %d, after one at %d", due, last)
		}
		last = due
	}
}
