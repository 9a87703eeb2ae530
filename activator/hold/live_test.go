package hold

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/signaling"
)

func TestFramesAgainstTheProtocolEndHeldAndLiveConnectionsAlike(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  []byte
		code int
		why  *closing.Refusal
	}{
		"not masked":     {frame.Append(nil, ws.OpText, true, []byte("hi"), false), 1002, closing.FrameMask},
		"reserved bits":  {[]byte{0xc1, 0x80, 1, 2, 3, 4}, 1002, closing.FrameReserved},
		"unknown opcode": {[]byte{0x83, 0x80, 1, 2, 3, 4}, 1002, closing.FrameOpcode},
	} {
		for _, isLive := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				h := hold(t, tcp{}, signaling.Plain, roomy)
				if isLive {
					welcome(t, h, h.connect())
				}
				if _, err := h.client.NetConn().Write(tc.raw); err != nil {
					t.Fatal(err)
				}
				_, err := receive(h.client)
				assert.True(t, websocket.IsCloseError(err, tc.code), "ended with %v", err)
				var e *closing.Ending
				require.ErrorAs(t, expectEnd(t, h), &e)
				assert.Same(t, tc.why, e.Refusal, "ended")
			})
		}
	}
	t.Run("text that is none", func(t *testing.T) {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		send(t, h.client, "\xff")
		_, err := receive(h.client)
		expectClose(t, err, 1007, "a text message is not valid UTF-8")
	})
}

func TestPingsAndPongsOfBothSidesReachEachOther(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	desktop := h.connect()
	welcome(t, h, desktop)
	heard := make(chan string, 4)
	hears := func(who string, c *websocket.Conn) {
		c.SetPongHandler(func(s string) error { heard <- who + " " + s; return nil })
		go func() { _, _ = receive(c) }()
	}
	hears("client", h.client)
	hears("desktop", desktop)
	_ = h.client.WriteControl(websocket.PingMessage, []byte("1"), time.Now().Add(enough))
	assert.Equal(t, "client 1", <-heard, "heard")
	_ = desktop.WriteControl(websocket.PingMessage, []byte("2"), time.Now().Add(enough))
	assert.Equal(t, "desktop 2", <-heard, "heard")
}

func TestALiveClientIsPingedAndTheDesktopHearsNothingOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		desktop := h.connect()
		go func() { _ = desktop.WriteMessage(websocket.TextMessage, []byte("welcome")) }()
		expectMessages(t, h.client, "welcome")
		desktop.SetPongHandler(func(s string) error { t.Errorf("the desktop heard a pong %q", s); return nil })
		go func() { _, _ = receive(desktop) }()
		stop := make(chan struct{})
		go func() { _, _ = receive(h.client); close(stop) }()
		time.Sleep(time.Hour)
		select {
		case <-stop:
			t.Fatal("it was given up")
		default:
		}
		assert.EqualValues(t, 1, h.idles.Load(), "an hour of silence does not count as idle")
		h.End(closing.ShuttingDown.Ending())
		<-stop
		<-h.ended
		assert.EqualValues(t, 0, h.idles.Load(), "a connection that ended counts as idle")
	})
}

func TestForADesktopThatSaysNothingWhatIsKeptIsKeptAsLongAsAClientIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := roomy
		limits.HoldTime = 5 * time.Minute
		h := hold(t, pipes{}, signaling.Plain, limits)
		go func() { _, _ = receive(h.client) }()
		desktop := h.connect()
		go func() { _, _ = receive(desktop) }()
		send(t, h.client, "hello")
		time.Sleep(limits.HoldTime)
		require.NotZero(t, h.budget.Load(), "it is kept for another desktop")
		time.Sleep(2 * pingEvery)
		require.Zero(t, h.budget.Load(), "bytes that are kept")
		_ = desktop.NetConn().Close()
		assert.ErrorIs(t, <-h.ended, closing.Interrupted, "it has nothing to be replayed")
	})
}

func TestALiveClientThatAnswersNoPingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		desktop := h.connect()
		go func() { _ = desktop.WriteMessage(websocket.TextMessage, []byte("welcome")) }()
		expectMessages(t, h.client, "welcome")
		h.client.SetPingHandler(func(string) error { return nil })
		go func() { _, _ = receive(h.client) }()
		began := time.Now()
		_, err := receive(desktop)
		expectClose(t, err, 1001, "")
		assert.LessOrEqual(t, time.Since(began), 5*pingEvery)
		err = <-h.ended
		assert.True(t, Left(err), "ended with %v", err)
	})
}

func TestARelayOnWhichNothingIsSaidEndsWhereThatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := roomy
		limits.RelayIdle = 10 * time.Minute
		h := hold(t, pipes{}, signaling.Plain, limits)
		desktop := h.connect()
		go func() { _, _ = receive(desktop) }()
		go func() {
			for range 5 {
				_ = desktop.WriteMessage(websocket.TextMessage, []byte("still here"))
				time.Sleep(9 * time.Minute)
			}
		}()
		began := time.Now()
		got, err := receive(h.client)
		expectClose(t, err, 4411, "nothing was said for 10m0s")
		took := time.Since(began)
		require.Len(t, got, 5)
		require.GreaterOrEqual(t, took, 46*time.Minute)
		assert.LessOrEqual(t, took, 47*time.Minute, "messages, ended")
	})
}

func TestALongStreamPassesUnchangedAndIsCountedOnItsWay(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	desktop := h.connect()
	welcome(t, h, desktop)
	read := h.toClient.Load()
	noise := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{2})
	_, _ = random.Read(noise)
	go func() {
		for range 4 {
			_ = desktop.WriteMessage(websocket.BinaryMessage, noise)
		}
	}()
	for range 4 {
		_, r, err := h.client.NextReader()
		require.NoError(t, err)
		sum := sha256.New()
		_, err = io.CopyN(sum, r, 1<<20)
		require.NoError(t, err)
		if read += 1 << 20; h.toClient.Load() < read {
			t.Errorf("%d bytes have come, and %d are counted", read, h.toClient.Load())
		}
		_, err = io.Copy(sum, r)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(noise), [32]byte(sum.Sum(nil)), "not what was sent")
		read += 2 << 20
	}
}

func TestMessageBombsDoNotGrowMemory(t *testing.T) {
	const clients = 50
	limits := Limits{BufferedBytes: 64 << 10, BufferedFrames: 100, MessageBytes: 32 << 10}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range clients {
		h := hold(t, tcp{}, signaling.Plain, limits)
		raw := h.client.NetConn()
		// A frame that announces 31 KiB and comes to 30; pings in a flood before it.
		bomb := bytes.Repeat(frame.Append(nil, ws.OpPing, true, make([]byte, 125), true), 100)
		bomb = append(bomb, frame.Append(nil, ws.OpBinary, true, make([]byte, 31<<10), true)[:30<<10]...)
		_, err := raw.Write(bomb)
		require.NoError(t, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// What was sent is kept, and the test's own clients with their servers.
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	assert.False(t, grown > clients*(64<<10+64<<10), "%d bytes for each client", grown/clients)
}

// scripted is a conversation of the test's own.
type scripted struct {
	fromClient, fromDesktop func(string) signaling.Step
	attached                int
}

func (s *scripted) FromClient(m signaling.Message) (signaling.Step, error) {
	if strings.HasPrefix(string(m.Data), "bad") {
		return signaling.Step{}, &closing.Ending{Code: 1008, Reason: "not that", Refusal: closing.Protocol}
	}
	return s.fromClient(string(m.Data)), nil
}

func (s *scripted) FromDesktop(m signaling.Message) (signaling.Step, error) {
	return s.fromDesktop(string(m.Data)), nil
}

func (s *scripted) Attached() { s.attached++ }

func text(s string) []signaling.Message { return []signaling.Message{{Text: true, Data: []byte(s)}} }

func TestWhatTheProtocolSaysFollowsHappens(t *testing.T) {
	talk := &scripted{
		fromClient: func(m string) signaling.Step {
			return signaling.Step{ToDesktop: text(m), ToClient: text("early " + m), Input: m == "key"}
		},
		fromDesktop: func(m string) signaling.Step {
			switch m {
			case "not yet":
				return signaling.Step{ToDesktop: text("again"), After: 10 * time.Millisecond}
			case "repeated":
				return signaling.Step{}
			}
			return signaling.Step{ToClient: text(m)}
		},
	}
	h := holdAs(t, tcp{}, signaling.Traits{ReadsClient: true, ReadsDesktop: true, Signaling: true}, talk, roomy)
	send(t, h.client, "hello")
	expectMessages(t, h.client, "early hello")
	desktop := h.connect()
	expectMessages(t, desktop, "hello")
	send(t, desktop, "repeated")
	send(t, desktop, "not yet")
	expectMessages(t, desktop, "again")
	// Nothing was passed on yet, so another desktop hears it all, and no retry.
	_ = desktop.Close()
	desktop = h.connect()
	expectMessages(t, desktop, "hello")
	send(t, desktop, "offer")
	expectMessages(t, h.client, "offer")
	send(t, h.client, "key")
	expectMessages(t, h.client, "early key")
	expectMessages(t, desktop, "key")
	require.EqualValues(t, 1, h.inputs.Load(), "%d", h.inputs.Load())
	assert.Equal(t, 2, talk.attached, "%d inputs, attached %d times", h.inputs.Load(), talk.attached)
	send(t, h.client, "bad")
	_, err := receive(h.client)
	expectClose(t, err, 1008, "not that")
}
