package hold

import (
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
)

func TestWhatAClientSendsTooMuchClosesItsConnectionWithTheReason(t *testing.T) {
	limits := Limits{BufferedBytes: 40, BufferedFrames: 4, MessageBytes: 30}
	for name, tc := range map[string]struct {
		protocol *signaling.Protocol
		messages []string
		code     int
		reason   string
		refusal  *closing.Refusal
	}{
		"frames":  {signaling.Plain, []string{"1", "2", "3", "4", "5"}, 1008, "more than 4 messages were sent before the desktop was there", closing.BufferedFrames},
		"bytes":   {signaling.Plain, []string{strings.Repeat("a", 30), strings.Repeat("b", 11)}, 1009, "more than 40 bytes were sent before the desktop was there", closing.BufferedBytes},
		"message": {signaling.Plain, []string{strings.Repeat("a", 31)}, 1009, "a message is longer than 30 bytes", closing.MessageTooLong},
		"far too long a message": {signaling.Plain, []string{strings.Repeat("a", 4<<20)}, 1009,
			"a message is longer than 30 bytes", closing.MessageTooLong},
		"a malformed hello": {signaling.Selkies1, []string{"GOODBYE 1"}, 1002,
			`invalid protocol: the first message must be "HELLO <peer> <base64 of JSON>"`, closing.Protocol},
	} {
		t.Run(name, func(t *testing.T) {
			neighbour := hold(t, tcp{}, signaling.Plain, limits)
			h := hold(t, tcp{}, tc.protocol, limits)
			for _, m := range tc.messages {
				// The far too long one may not be taken to its end.
				_ = h.client.WriteMessage(websocket.TextMessage, []byte(m))
			}
			_, err := receive(h.client)
			expectClose(t, err, tc.code, tc.reason)
			var e *closing.Ending
			require.ErrorAs(t, expectEnd(t, h), &e)
			assert.Same(t, tc.refusal, e.Refusal, "ended")
			select {
			case err := <-neighbour.ended:
				t.Errorf("another client's connection ended too: %v", err)
			default:
			}
		})
	}
}

// hasty panics at what a client says second.
type hasty struct {
	signaling.Conversation
	said int
}

func (h *hasty) FromClient(m signaling.Message) (signaling.Step, error) {
	if h.said++; h.said == 2 {
		panic("hasty")
	}
	return h.Conversation.FromClient(m)
}

func TestAPanicEndsItsConnectionAndGivesBackWhatItKept(t *testing.T) {
	h := holdAs(t, tcp{}, signaling.Plain.Traits, &hasty{Conversation: signaling.Plain.Converse(signaling.Options{})}, roomy)
	h.panics = true
	send(t, h.client, "first")
	send(t, h.client, "second")
	_, err := receive(h.client)
	expectClose(t, err, closing.CodeInternal, "the gateway failed")
	require.ErrorIs(t, expectEnd(t, h), closing.Failed)
	assert.Zero(t, h.budget.Load(), "bytes that are kept of it")
}

func TestWhatFitsTheBoundsExactlyIsHeld(t *testing.T) {
	h := hold(t, tcp{}, signaling.Plain, Limits{BufferedBytes: 6, BufferedFrames: 3, MessageBytes: 3})
	for _, m := range []string{"abc", "de", "f"} {
		send(t, h.client, m)
	}
	expectMessages(t, h.connect(), "abc", "de", "f")
}

func TestASilentClientIsGivenUpAfterThreeMissedPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		began := time.Now()
		// The client reads nothing, so it answers no ping.
		err := <-h.ended
		require.Equal(t, pingsMissed*pingEvery, time.Since(began))
		assert.ErrorIs(t, err, errSilent, "ended")
	})
}

func TestAClientThatWaitsQuietlyIsHeldForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		gone := make(chan error, 1)
		go func() {
			_, err := receive(h.client) // reading answers pings
			gone <- err
		}()
		time.Sleep(6 * time.Hour)
		select {
		case err := <-h.ended:
			t.Fatalf("ended: %v", err)
		default:
		}
		h.StopHolding()
		expectClose(t, <-gone, 1012, "the gateway restarts: reconnect")
	})
}

func TestHoldingEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := roomy
		limits.HoldTime = 95 * time.Second
		h := hold(t, pipes{}, signaling.Plain, limits)
		began := time.Now()
		_, err := receive(h.client)
		expectClose(t, err, 1013, "the desktop did not answer in time")
		assert.Equal(t, limits.HoldTime, time.Since(began))
		assert.ErrorIs(t, <-h.ended, closing.HoldTimeout, "ended")
	})
}

func TestAClientThatDoesNotAnswerACloseFrameIsCutOffSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, pipes{}, signaling.Plain, roomy)
		// It reads, and so takes the frame, but answers nothing.
		h.client.SetCloseHandler(func(int, string) error { return nil })
		go func() { _, _ = receive(h.client) }()
		synctest.Wait()
		began := time.Now()
		h.End(closing.ShuttingDown.Ending())
		<-h.ended
		assert.Equal(t, closeWithin, time.Since(began), "closing took")
	})
}

func TestMessagesBeforeTheDesktopArePlayedInOrderExactlyOnce(t *testing.T) {
	const messages = 3000
	for _, before := range []int{0, 1, 7, 500, 2999, 3000} {
		t.Run(strconv.Itoa(before)+" before", func(t *testing.T) {
			h := hold(t, tcp{}, signaling.Plain, roomy)
			reached, played := make(chan struct{}), make(chan struct{})
			go func() {
				for i := range messages {
					if i == before {
						close(reached)
					}
					if h.client.WriteMessage(websocket.TextMessage, []byte(strconv.Itoa(i))) != nil {
						break
					}
				}
				if before == messages {
					close(reached)
				}
				<-played
				_ = h.client.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "done"))
			}()
			<-reached
			desktop := h.connect()
			for i := range messages {
				expectMessages(t, desktop, strconv.Itoa(i))
			}
			close(played)
			_, err := receive(desktop)
			expectClose(t, err, 4000, "done")
			_ = expectEnd(t, h)
		})
	}
}
