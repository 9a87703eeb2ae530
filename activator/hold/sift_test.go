package hold

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// sifting is a conversation on a stream of which no clipboard passes.
func sifting(t *testing.T, l Limits) *held {
	p := signaling.Selkies2WebSockets
	traits := p.Traits
	traits.Redial, traits.ReadsDesktop = 0, true
	return holdAs(t, tcp{}, traits, p.Converse(signaling.Options{Access: &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone}}), l)
}

// short is the bound that a long message is longer than.
var short = Limits{BufferedBytes: 1 << 20, BufferedFrames: 100, MessageBytes: 4 << 10, HoldTime: time.Hour}

func TestALongMessageThatMayNotPassDoesNotAndWhatFollowsDoes(t *testing.T) {
	h := sifting(t, short)
	desktop := h.connect()
	long := strings.Repeat("x", 1<<20)
	send(t, desktop, "clipboard,"+long)
	send(t, desktop, "cursor,"+long)
	send(t, desktop, "clipboard,short")
	send(t, desktop, "cursor")
	expectMessages(t, h.client, "cursor,"+long, "cursor")
	send(t, h.client, "cw,"+long)
	send(t, h.client, "SETTINGS,"+long)
	send(t, h.client, "cw,short")
	send(t, h.client, "kd,65")
	expectMessages(t, desktop, "SETTINGS,"+long, "kd,65")
	assert.EqualValues(t, 4, h.withheld.Load())
}

func TestNoFragmentHidesWhatAMessageIs(t *testing.T) {
	h := sifting(t, short)
	desktop := h.connect()
	send(t, h.client, "kd,64")
	expectMessages(t, desktop, "kd,64") // it is live
	raw := func(conn *websocket.Conn, client bool, parts ...string) {
		t.Helper()
		var b []byte
		for i, part := range parts {
			op := ws.OpContinuation
			if i == 0 {
				op = ws.OpText
			}
			b = frame.Append(b, op, i == len(parts)-1, []byte(part), client)
			if i == 0 {
				b = frame.Append(b, ws.OpPing, true, []byte("within"), client)
			}
		}
		_, err := conn.NetConn().Write(b)
		require.NoError(t, err)
	}
	long := strings.Repeat("x", 64<<10)
	for _, tail := range [][]string{{",short"}, {",", long}, {"", "," + long, long}} {
		raw(h.client, true, append([]string{"c", "w"}, tail...)...)
		raw(desktop, false, append([]string{"", "clip", "board"}, tail...)...)
	}
	send(t, h.client, "kd,65")
	send(t, desktop, "cursor")
	expectMessages(t, h.client, "cursor")
	expectMessages(t, desktop, "kd,65")
}

func TestWhatComesWithinAMessageThatIsKeptBackPasses(t *testing.T) {
	h := sifting(t, short)
	desktop := h.connect()
	pongs := make(chan string, 1)
	h.client.SetPongHandler(func(said string) error { pongs <- said; return nil })
	long := []byte("clipboard," + strings.Repeat("x", 64<<10))
	b := frame.Append(nil, ws.OpText, false, long, false)
	b = frame.Append(b, ws.OpPong, true, []byte("still here"), false)
	b = frame.Append(b, ws.OpContinuation, true, long, false)
	_, err := desktop.NetConn().Write(b)
	require.NoError(t, err)
	send(t, desktop, "cursor")
	expectMessages(t, h.client, "cursor")
	select {
	case said := <-pongs:
		assert.Equal(t, "still here", said)
	case <-time.After(enough):
		t.Fatal("the pong did not come")
	}
}

func TestAHeldClientsLongMessageEndsItAsWithoutAPolicy(t *testing.T) {
	h := sifting(t, short)
	send(t, h.client, "cw,"+strings.Repeat("x", 64<<10))
	_, err := receive(h.client)
	require.True(t, websocket.IsCloseError(err, websocket.CloseMessageTooBig), "%v", err)
	_ = expectEnd(t, h)
}
