package hold

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/signaling"
)

const hello = "HELLO 1"

func TestTheDesktopsCloseFrameReachesTheClient(t *testing.T) {
	for name, tc := range map[string]struct {
		frame []byte
		code  int
		text  string
	}{
		"the protocol's own": {websocket.FormatCloseMessage(1002, "invalid peer uid"), 1002, "invalid peer uid"},
		"an application's":   {websocket.FormatCloseMessage(4001, "superseded"), 4001, "superseded"},
		"without a code":     {nil, 1000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hold(t, tcp{}, signaling.Plain, roomy)
			desktop := h.connect()
			require.NoError(t, desktop.WriteControl(websocket.CloseMessage, tc.frame, time.Now().Add(enough)))
			_, err := receive(h.client)
			expectClose(t, err, tc.code, tc.text)
			_ = expectEnd(t, h)
		})
	}
}

func TestTheDesktopsCloseFrameIsFoundThoughTheClientKeepsSending(t *testing.T) {
	for range 20 {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		go func() {
			for h.client.WriteMessage(websocket.TextMessage, []byte("again")) == nil {
			}
		}()
		desktop := h.connect()
		if _, _, err := desktop.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		_ = desktop.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1002, "invalid peer uid"), time.Now().Add(enough))
		_ = desktop.Close()
		_, err := receive(h.client)
		expectClose(t, err, 1002, "invalid peer uid")
		_ = expectEnd(t, h)
	}
}

func TestTheClientsCloseFrameReachesTheDesktop(t *testing.T) {
	for name, tc := range map[string]struct {
		frame []byte
		code  int
		text  string
	}{
		"normal":           {websocket.FormatCloseMessage(1000, "bye"), 1000, "bye"},
		"an application's": {websocket.FormatCloseMessage(4002, "moved"), 4002, "moved"},
		"without a code":   {nil, 1001, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hold(t, tcp{}, signaling.Plain, roomy)
			desktop := h.connect()
			welcome(t, h, desktop)
			require.NoError(t, h.client.WriteControl(websocket.CloseMessage, tc.frame, time.Now().Add(enough)))
			_, err := receive(desktop)
			expectClose(t, err, tc.code, tc.text)
			_ = expectEnd(t, h)
		})
	}
}

func TestAConnectionThatBreaksEndsTheOther(t *testing.T) {
	t.Run("the desktop's", func(t *testing.T) {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		desktop := h.connect()
		welcome(t, h, desktop)
		reset(t, desktop)
		_, err := receive(h.client)
		expectClose(t, err, 1012, "the connection to the desktop ended")
		_ = expectEnd(t, h)
	})
	t.Run("the client's", func(t *testing.T) {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		desktop := h.connect()
		welcome(t, h, desktop)
		reset(t, h.client)
		_, err := receive(desktop)
		expectClose(t, err, 1001, "")
		err = expectEnd(t, h)
		assert.True(t, Left(err), "ended with %v, want that the client left", err)
	})
}

func reset(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	require.NoError(t, ws.NetConn().(*net.TCPConn).SetLinger(0))
	_ = ws.Close()
}

func TestLongMessagesPassALivePlainWebSocket(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, Limits{BufferedBytes: 100, BufferedFrames: 10, MessageBytes: 10})
	desktop := h.connect()
	welcome(t, h, desktop)
	long := bytes.Repeat([]byte("video"), 1<<20)
	for name, way := range map[string]struct{ from, to *websocket.Conn }{
		"to the desktop": {h.client, desktop}, "to the client": {desktop, h.client},
	} {
		go func() { _ = way.from.WriteMessage(websocket.BinaryMessage, long) }()
		kind, got, err := way.to.ReadMessage()
		require.NoError(t, err, name)
		require.Equal(t, websocket.BinaryMessage, kind, name)
		assert.Equal(t, string(long), string(got), "%s: got %d bytes of kind", name, len(got))
	}
	_ = h.client.Close()
	_ = expectEnd(t, h)
}

// welcome waits until the relay is under way.
func welcome(t *testing.T, h *held, desktop *websocket.Conn) {
	t.Helper()
	send(t, desktop, "welcome")
	expectMessages(t, h.client, "welcome")
}

func TestSignalingMessagesStayBoundedWhenLive(t *testing.T) {
	h := hold(t, tcp{}, signaling.Selkies1, Limits{BufferedBytes: 100, BufferedFrames: 10, MessageBytes: 50})
	desktop := h.connect()
	send(t, h.client, hello)
	if _, m, err := desktop.ReadMessage(); err != nil || string(m) != hello {
		t.Fatalf("the desktop read %q, %v", m, err)
	}
	send(t, h.client, string(make([]byte, 51)))
	_, err := receive(h.client)
	expectClose(t, err, 1009, "a message is longer than 50 bytes")
	_ = expectEnd(t, h)
}

func TestAMessageMayTakeLongerThanAnyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		desktop := h.connect()
		go func() { _, _ = receive(h.client) }()
		const parts = 30
		live := make(chan struct{})
		go func() {
			_ = h.client.WriteMessage(websocket.TextMessage, []byte("hello"))
			<-live
			w, err := h.client.NextWriter(websocket.BinaryMessage)
			if err != nil {
				return
			}
			for range parts {
				_, _ = w.Write(make([]byte, 8<<10))
				time.Sleep(10 * time.Second)
			}
			_ = w.Close()
		}()
		if _, m, err := desktop.ReadMessage(); err != nil || string(m) != "hello" {
			t.Fatalf("the desktop read %q, %v", m, err)
		}
		close(live)
		_, r, err := desktop.NextReader()
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, r)
		require.NoError(t, err)
		assert.EqualValues(t, parts*8<<10, n, "got %d bytes and %v, want %d", n, err, parts*8<<10)
		_ = desktop.Close()
		<-h.ended
	})
}

func TestAFrameMayTakeLongerThanAnyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		desktop := h.connect()
		go func() { _, _ = receive(h.client) }()
		go func() { _ = desktop.WriteMessage(websocket.TextMessage, []byte("welcome")) }()
		synctest.Wait()
		const parts, size = 30, 100
		go func() {
			// One binary frame, masked with zeros: nothing, not even a pong, fits in it.
			raw := h.client.NetConn()
			_, _ = raw.Write([]byte{0x82, 0x80 | 126, parts * size >> 8, parts * size & 0xff, 0, 0, 0, 0})
			for range parts {
				_, _ = raw.Write(make([]byte, size))
				time.Sleep(10 * time.Second)
			}
		}()
		_, r, err := desktop.NextReader()
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, r)
		require.NoError(t, err)
		assert.EqualValues(t, parts*size, n, "got %d bytes and %v, want %d", n, err, parts*size)
		_ = desktop.Close()
		<-h.ended
	})
}

func TestAPeerThatStopsReadingEndsTheRelay(t *testing.T) {
	t.Run("the desktop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := hold(t, pipes{}, signaling.Plain, roomy)
			desktop := h.connect() // nobody reads it
			go func() { _ = desktop.WriteMessage(websocket.TextMessage, []byte("welcome")) }()
			expectMessages(t, h.client, "welcome")
			gone := make(chan error, 1)
			go func() { _, err := receive(h.client); gone <- err }()
			go func() { _ = h.client.WriteMessage(websocket.TextMessage, []byte("anybody there?")) }()
			began := time.Now()
			<-h.ended
			assert.LessOrEqual(t, time.Since(began), frame.WriteWithin+3*closeWithin)
			expectClose(t, <-gone, 1012, "the connection to the desktop ended")
		})
	})
	t.Run("the client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := hold(t, pipes{}, signaling.Plain, roomy)
			desktop := h.connect()
			go func() { _ = desktop.WriteMessage(websocket.TextMessage, []byte("anybody there?")) }()
			gone := make(chan error, 1)
			go func() { _, err := receive(desktop); gone <- err }()
			began := time.Now()
			err := <-h.ended
			assert.True(t, Left(err), "ended with %v", err)
			assert.LessOrEqual(t, time.Since(began), frame.WriteWithin+3*closeWithin)
			expectClose(t, <-gone, 1001, "")
		})
	})
}

func TestAClientThatLeavesFreesItsDesktopAtOnceWhateverTheDesktopSends(t *testing.T) {
	for range 20 {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		desktop := h.connect()
		go func() { _, _ = receive(desktop) }()
		go func() {
			for desktop.WriteMessage(websocket.BinaryMessage, []byte("frame")) == nil {
			}
		}()
		_, _, err := h.client.ReadMessage()
		require.NoError(t, err)
		_ = h.client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(enough))
		_ = h.client.Close()
		err = expectEnd(t, h)
		assert.True(t, Left(err), "ended with %v", err)
	}
}

func TestAnEndFromOutsideEndsBothSides(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	desktop := h.connect()
	welcome(t, h, desktop)
	ends := make(chan error, 1)
	go func() {
		_, err := receive(desktop)
		ends <- err
	}()
	h.End(closing.ShuttingDown.Ending())
	_, err := receive(h.client)
	expectClose(t, err, 1012, "the gateway restarts: reconnect")
	expectClose(t, <-ends, 1001, "")
	_ = expectEnd(t, h)
}
