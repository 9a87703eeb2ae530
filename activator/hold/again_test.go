package hold

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestADesktopThatGoesBeforeItsFirstMessageIsReplaced(t *testing.T) {
	for name, goes := range map[string]func(t *testing.T, desktop *websocket.Conn){
		"by breaking off":     func(t *testing.T, d *websocket.Conn) { reset(t, d) },
		"by ending":           func(_ *testing.T, d *websocket.Conn) { _ = d.Close() },
		"by saying it leaves": func(t *testing.T, d *websocket.Conn) { sendClose(t, d, websocket.FormatCloseMessage(1001, "")) },
		"by saying it restarts": func(t *testing.T, d *websocket.Conn) {
			sendClose(t, d, websocket.FormatCloseMessage(1012, "service restart"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := hold(t, tcp{}, signaling.Plain, roomy)
			send(t, h.client, "one")
			first := h.connect()
			expectMessages(t, first, "one")
			send(t, h.client, "two")
			expectMessages(t, first, "two")
			goes(t, first)
			second := h.connect()
			send(t, h.client, "three")
			expectMessages(t, second, "one", "two", "three")
			welcome(t, h, second)
			require.Equal(t, 1, h.redials)
			require.EqualValues(t, 2, h.reached.Load())
			assert.EqualValues(t, 1, h.firsts.Load(),
				"asked for another desktop %d times, reached %d, %d first messages", h.redials, h.reached.Load(), h.firsts.Load())

			// From here on it is this desktop or none.
			reset(t, second)
			_, err := receive(h.client)
			expectClose(t, err, 1012, "the connection to the desktop ended")
			_ = expectEnd(t, h)
		})
	}
}

func TestAViewerThatIsPlayedBeforeItsControllerIsPlayedAgain(t *testing.T) {
	h := hold(t, tcp{}, signaling.Selkies2WebRTC, roomy)
	const hello = `HELLO client {"client_type":"viewer"}`
	send(t, h.client, hello)
	expectMessages(t, h.client, "HELLO") // ours
	first := h.connect()
	expectMessages(t, first, hello)
	sendClose(t, first, websocket.FormatCloseMessage(4000, "No controller detected. Viewer clients require an existing controller client."))
	second := h.connect()
	expectMessages(t, second, hello)
	send(t, second, "HELLO") // which the client has had
	send(t, second, "SESSION_OK server-1")
	expectMessages(t, h.client, "SESSION_OK server-1")

	// With a controller once there it is the desktop's word.
	sendClose(t, second, websocket.FormatCloseMessage(4000, "Server disconnected, closing connection."))
	_, err := receive(h.client)
	expectClose(t, err, 4000, "Server disconnected, closing connection.")
	_ = expectEnd(t, h)
}

func TestAViewerWhosePlaceIsTakenIsHeldAndAskedForEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Selkies1, Limits{BufferedBytes: 1 << 20, BufferedFrames: 10, MessageBytes: 1 << 20, HoldTime: 5 * time.Minute})
		client := make(chan error, 1)
		greeted := make(chan string, 10)
		go func() {
			for {
				_, m, err := h.client.ReadMessage()
				if err != nil {
					client <- err
					return
				}
				greeted <- string(m)
			}
		}()
		go func() { _ = h.client.WriteMessage(websocket.TextMessage, []byte("HELLO 1")) }()
		require.Equal(t, "HELLO", <-greeted, "greeted")
		began, last := time.Now(), time.Now()
		var pauses []time.Duration
		var end error
		for end == nil {
			select {
			case end = <-client:
			case <-h.waiting:
				h.waiting <- struct{}{}
				pauses, last = append(pauses, time.Since(last)), time.Now()
				desktop := h.connect()
				expectMessages(t, desktop, "HELLO 1")
				sendClose(t, desktop, websocket.FormatCloseMessage(1002, "invalid peer uid"))
				go func() { _, _ = receive(desktop) }()
			}
		}
		const ms = time.Millisecond
		want := []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second}
		require.Equal(t, want, pauses[:len(want)])
		assert.Equal(t, time.Second, slices.Max(pauses), "asked for another desktop after %v, want %v and so on", pauses, want)
		// The hold time bounds it as it does every client.
		assert.Equal(t, 5*time.Minute, time.Since(began).Round(time.Second), "held")
		expectClose(t, end, 1013, "the desktop did not answer in time")
		_ = h.client.Close()
	})
}

func TestADesktopThatClosesHasItsWordBeforeItsFirstMessageToo(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	sendClose(t, h.connect(), websocket.FormatCloseMessage(4000, "rejected"))
	_, err := receive(h.client)
	expectClose(t, err, 4000, "rejected")
}

func TestWhoIsHeldAgainIsToldWhyNoDesktopComes(t *testing.T) {
	for name, tc := range map[string]struct {
		gone, full error
		code       int
		reason     string
	}{
		"it sleeps":         {gone: closing.Asleep.Ending("idle"), code: 4410, reason: "this desktop was put to sleep (idle)"},
		"it was deleted":    {gone: closing.Gone.Ending(), code: 4404, reason: "this session was deleted"},
		"there is no room":  {full: &closing.Ending{Code: closing.CodeTryAgain, Reason: "too many wait"}, code: 1013, reason: "too many wait"},
		"the gateway stops": {full: closing.ShuttingDown.Ending(), code: 1012, reason: "the gateway restarts: reconnect"},
	} {
		t.Run(name, func(t *testing.T) {
			h := hold(t, tcp{}, signaling.Plain, roomy)
			desktop := h.connect()
			h.mu.Lock()
			h.gone, h.full = tc.gone, tc.full
			h.mu.Unlock()
			_ = desktop.Close()
			_, err := receive(h.client)
			expectClose(t, err, tc.code, tc.reason)
		})
	}
}

func TestADesktopThatDiesWhileItIsToldIsReplaced(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	const messages = 80
	for i := range messages {
		// Together they are more than any buffer on the way.
		send(t, h.client, strconv.Itoa(i)+strings.Repeat("x", 100<<10))
	}
	for range 3 {
		first := h.connect()
		for i := range 3 {
			_, m, err := first.ReadMessage()
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(m), strconv.Itoa(i)+"x"), "the desktop read %.10q", m)
		}
		reset(t, first)
	}
	second := h.connect()
	for i := range messages {
		_, m, err := second.ReadMessage()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(m), strconv.Itoa(i)+"x"), "message %d is %.10q", i, m)
	}
}

func TestWhatIsMoreThanMayBeKeptTiesTheClientToItsDesktop(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, Limits{BufferedBytes: 30, BufferedFrames: 10, MessageBytes: 20})
	send(t, h.client, "a message of 19 byt")
	desktop := h.connect()
	expectMessages(t, desktop, "a message of 19 byt")
	for range 5 {
		send(t, h.client, "and one of 17 byt")
		expectMessages(t, desktop, "and one of 17 byt")
	}
	send(t, h.client, "one that is longer than any that may be kept")
	expectMessages(t, desktop, "one that is longer than any that may be kept")
	reset(t, desktop)
	_, err := receive(h.client)
	expectClose(t, err, 1012, "the connection to the desktop ended")
}

// raw lets the client have a desktop that speaks for itself.
func (h *held) raw() (conn net.Conn, requests *bufio.Reader) {
	a, b := h.n.connect(h.t)
	h.t.Cleanup(func() { _ = b.Close() })
	h.give(a, nil)
	return b, bufio.NewReader(b)
}

func TestAPipeliningDesktopIsToldEverythingAtOnceAndAgainWhenItWasNotReady(t *testing.T) {
	h := holdAs(t, tcp{}, signaling.Traits{Pipelines: true}, signaling.Plain.Converse(signaling.Options{}), roomy)
	send(t, h.client, "one")
	send(t, h.client, "two")
	h.keeps(t, 2)
	for _, answer := range []string{"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n\r\n", "", "HTTP/1.1 504 Gateway Timeout\r\n\r\n"} {
		conn, r := h.raw()
		_, err := http.ReadRequest(r)
		require.NoError(t, err)
		// Before any answer.
		expectFrames(t, r, "one", "two")
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	}
	desktop := h.connect()
	expectMessages(t, desktop, "one", "two")
	send(t, h.client, "three")
	expectMessages(t, desktop, "three")
	welcome(t, h, desktop)
	assert.Equal(t, 0, h.redials, "a desktop that was not ready counts as one that went, times")
}

func TestADesktopThatDoesNotPipelineIsToldNothingBeforeItAnswers(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, roomy)
	send(t, h.client, "one")
	h.keeps(t, 1)
	conn, r := h.raw()
	_, err := http.ReadRequest(r)
	require.NoError(t, err)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	b, err := r.Peek(1)
	assert.Error(t, err, "it received %q", b)
}

// keeps waits until so many messages are kept.
func (h *held) keeps(t *testing.T, messages int) {
	t.Helper()
	eventually.Equal(t, "messages are kept", messages, func() int {
		h.Conn.mu.Lock()
		defer h.Conn.mu.Unlock()
		return len(h.backlog)
	})
}

func (h *held) eventuallyLive(t *testing.T) {
	t.Helper()
	h.Conn.mu.Lock()
	defer h.Conn.mu.Unlock()
	for h.phase != live {
		h.changed.Wait()
	}
}

// expectFrames reads short masked frames.
func expectFrames(t *testing.T, r *bufio.Reader, want ...string) {
	t.Helper()
	for _, w := range want {
		b := make([]byte, 6+len(w))
		_, err := io.ReadFull(r, b)
		require.NoError(t, err)
		for i := range w {
			b[6+i] ^= b[2+i%4]
		}
		require.Equal(t, w, string(b[6:]), "read %q", b[6:])
	}
}

func TestADesktopThatRefusesIsNotAskedAgain(t *testing.T) {
	for _, tc := range []struct {
		answer, reason string
		status         int32
	}{
		{"404 Not Found", "the desktop refused the connection: 404 Not Found", 404},
		{"200 OK", "the desktop refused the connection: 200 OK", 200},
	} {
		h := hold(t, tcp{}, signaling.Plain, roomy)
		conn, r := h.raw()
		if _, err := http.ReadRequest(r); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 "+tc.answer+"\r\n\r\n")
		_, err := receive(h.client)
		expectClose(t, err, 1011, tc.reason)
		var e *closing.Ending
		require.ErrorAs(t, expectEnd(t, h), &e)
		assert.Same(t, closing.DesktopRejected, e.Refusal, "ended")
		assert.Equal(t, tc.status, h.rejected.Load(), "have status")
	}
}

func TestADesktopThatNeverAnswersIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := holdAs(t, pipes{}, signaling.Traits{Redial: 3 * time.Second}, signaling.Plain.Converse(signaling.Options{}), roomy)
		go func() { _, _ = receive(h.client) }()
		began := time.Now()
		_, r := h.raw()
		_, err := http.ReadRequest(r)
		require.NoError(t, err)
		desktop := h.connect()
		assert.Equal(t, answerWithin+3*time.Second, time.Since(began), "asked for another desktop")
		_ = desktop.Close()
	})
}

// TestNothingIsLostNorReordered lets a client talk while desktops come and go.
func TestNothingIsLostNorReordered(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		limits, deaths := roomy, rnd.IntN(3)
		short := seed%4 == 1
		if short {
			// Most messages are too long to be kept: they go to a desktop that is there.
			limits.MessageBytes, deaths = 8<<10, 0
		}
		traits := signaling.Traits{Pipelines: seed%2 == 0, ReadsClient: seed%3 == 0, ReadsDesktop: seed%5 == 0}
		h := holdAs(t, tcp{}, traits, signaling.Plain.Converse(signaling.Options{}), limits)
		const messages = 100
		size := func(i int) int { return []int{0, 1, 100, 125, 126, 5000, 64<<10 - 10, 100 << 10, 300 << 10}[i*7%9] }
		there := make(chan struct{})
		if !short {
			close(there)
		}
		go func() {
			<-there
			rnd := rand.New(rand.NewPCG(seed, 8))
			for i := range messages {
				w, err := h.client.NextWriter(websocket.BinaryMessage)
				if err != nil {
					return
				}
				body := append([]byte(strconv.Itoa(i)+" "), make([]byte, size(i))...)
				for len(body) > 0 {
					part := 1 + rnd.IntN(len(body))
					if _, err := w.Write(body[:part]); err != nil {
						return
					}
					body = body[part:]
				}
				_ = w.Close()
				if rnd.IntN(50) == 0 {
					_ = h.client.WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(enough))
				}
			}
		}()
		go func() { _, _ = receive(h.client) }()
		expect := func(d *websocket.Conn, n int) {
			for i := range n {
				_, m, err := d.ReadMessage()
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(string(m), strconv.Itoa(i)+" "), "seed %d: message %d is %.10q", seed, i, m)
				if i == n/2 && n == messages {
					_ = d.WriteMessage(websocket.TextMessage, []byte("welcome")) // bytes from here on
				}
			}
		}
		for range deaths {
			d := h.connect()
			expect(d, rnd.IntN(15))
			reset(t, d)
		}
		last := h.connect()
		if short {
			h.eventuallyLive(t)
			close(there)
		}
		expect(last, messages)
	}
}
