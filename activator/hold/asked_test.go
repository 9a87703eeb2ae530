package hold

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/activator/signaling"
)

func request() *relay.Request {
	return relay.NewRequest(httptest.NewRequest(http.MethodGet, "/", nil), route.Face{Scheme: "http"}, &relay.Rules{HeadBytes: 16 << 10, HeadFields: 100}, nil)
}

func TestADesktopThatWasAskedIsGivenUpWhereItsSessionHasEndedSince(t *testing.T) {
	a, b := tcp{}.connect(t)
	asking := make(chan *Asked, 1)
	go func() {
		asked, _, err := Ask(t.Context(), a, request())
		assert.NoError(t, err)
		asking <- asked
	}()
	desktop := upgraded(t, b)
	client, ours, before := visited(t, tcp{})
	h := &held{t: t, gone: closing.Gone.Ending()}
	c := Accept(ours, before, Options{Conversation: signaling.Plain.Converse(signaling.Options{}), Limits: roomy, Host: h, Request: request()})
	ended := make(chan error, 1)
	go func() { ended <- c.ServeAsked(<-asking) }()
	_ = client.SetReadDeadline(time.Now().Add(enough))
	_, err := receive(client)
	expectClose(t, err, 4404, closing.Gone.Text)
	_, err = receive(desktop)
	require.Error(t, err, "the desktop keeps its connection")
	require.ErrorIs(t, <-ended, closing.Gone)
	assert.EqualValues(t, 0, h.reached.Load(), "it is served")
}

func TestADesktopIsAskedNoLongerThanItsClientWaits(t *testing.T) {
	a, b := tcp{}.connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	hears := make(chan error, 1)
	go func() { // the desktop hears the question, and the client leaves
		_, err := b.Read(make([]byte, 1))
		hears <- err
		cancel()
		_, err = io.Copy(io.Discard, b)
		hears <- err
	}()
	begun := time.Now()
	asked, _, err := Ask(ctx, a, request())
	require.ErrorIs(t, err, relay.ErrStarting)
	assert.Nil(t, asked)
	require.NoError(t, <-hears)
	require.NoError(t, <-hears, "its connection is not closed")
	assert.Less(t, time.Since(begun), enough, "it is asked for as long as a desktop may take")
	_ = b.Close()
}

func TestADesktopThatRefusesWhenItIsAskedIsLetGo(t *testing.T) {
	a, b := tcp{}.connect(t)
	hears := make(chan error, 1)
	go func() {
		_, _ = http.ReadRequest(bufio.NewReader(b))
		_, _ = io.WriteString(b, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		_ = b.SetReadDeadline(time.Now().Add(enough))
		_, err := io.Copy(io.Discard, b)
		hears <- err
	}()
	asked, _, err := Ask(t.Context(), a, request())
	var no *relay.Rejected
	require.ErrorAs(t, err, &no)
	assert.Equal(t, http.StatusForbidden, no.Status)
	assert.Nil(t, asked)
	assert.NoError(t, <-hears, "its connection is not closed")
	_ = b.Close()
}
