package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/pkg/agent/standin/standintest"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const enough = 10 * time.Second

var order = agentapi.StandIn{Width: 1280, Height: 720, Scale: 1.5, Milliseconds: time.Minute.Milliseconds(), Bytes: 64 << 10}

// helloOf is what a client with the order's screen says.
func helloOf(uid string) string { m := metaOf(order); return hello{uid, &m}.String() }

// agent is a Keeper that is served.
type agent struct {
	t  *testing.T
	at string
	mu sync.Mutex
	// told are what Standing was told.
	told []bool
	kill context.CancelFunc
}

func newAgent(t *testing.T, ports ...uint16) *agent {
	t.Helper()
	a := &agent{t: t}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a.at = l.Addr().String()
	k := New(Options{Ports: ports, Log: slog.New(slog.DiscardHandler), Standing: func(is bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.told = append(a.told, is)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Serve(ctx, l)
	}()
	a.kill = cancel
	t.Cleanup(func() {
		cancel()
		<-done
		http.DefaultClient.CloseIdleConnections()
	})
	return a
}

func (a *agent) stands() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.told) > 0 && a.told[len(a.told)-1]
}

// order asks the agent, and returns how that ends and what breaks the request off.
func (a *agent) order(o agentapi.StandIn) (end <-chan agentapi.End, breakOff func()) {
	a.t.Helper()
	body, err := json.Marshal(o)
	require.NoError(a.t, err)
	ctx, cancel := context.WithCancel(a.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.at+agentapi.StandInPath, strings.NewReader(string(body)))
	require.NoError(a.t, err)
	ended := make(chan agentapi.End, 1)
	go func() {
		defer close(ended)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		defer func() { _ = resp.Body.Close() }()
		var e agentapi.Ended
		if json.NewDecoder(resp.Body).Decode(&e) == nil {
			ended <- e.End
		}
	}()
	a.t.Cleanup(cancel)
	return ended, cancel
}

// client comes for a place.
func (a *agent) client(said string) *websocket.Conn {
	a.t.Helper()
	c, resp, err := websocket.DefaultDialer.DialContext(a.t.Context(), "ws://"+a.at+"/webrtc/signalling/", nil)
	require.NoError(a.t, err)
	_ = resp.Body.Close()
	a.t.Cleanup(func() { _ = c.Close() })
	require.NoError(a.t, c.WriteMessage(websocket.TextMessage, []byte(said)))
	_ = c.SetReadDeadline(time.Now().Add(enough))
	return c
}

func hears(t *testing.T, c *websocket.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		_, m, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, w, string(m))
	}
}

func refusedThere(t *testing.T, c *websocket.Conn) {
	t.Helper()
	_, _, err := c.ReadMessage()
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed)
	assert.Equal(t, takenCode, closed.Code)
	assert.Equal(t, takenReason, closed.Text)
}

func freePort(t *testing.T) (net.Listener, uint16) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l, uint16(l.Addr().(*net.TCPAddr).Port)
}

func TestADesktopThatListensHasItsViewerAtOnceAndItsClientGetsAllThatItSaid(t *testing.T) {
	l, port := freePort(t)
	require.NoError(t, l.Close())
	a := newAgent(t, port)
	end, _ := a.order(order)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	s := standintest.New(t, l)
	eventually.Equal(t, "registered", 2, s.Registered)
	eventually.True(t, "it is said that it stands in", a.stands)
	for _, uid := range []string{videoPeer, audioPeer} {
		assert.Contains(t, s.Said(), helloOf(uid))
	}
	s.Say(t, videoPeer, "offer")
	long := strings.Repeat("x", 20<<10)
	s.Say(t, videoPeer, long)

	video := a.client(helloOf(videoPeer))
	hears(t, video, helloWord, "offer", long)
	s.Say(t, videoPeer, "candidate")
	hears(t, video, "candidate")
	require.NoError(t, video.WriteMessage(websocket.TextMessage, []byte("answer")))
	eventually.True(t, "the desktop hears the client", func() bool { return slices.Equal(s.Heard(videoPeer), []string{"answer"}) })
	audio := a.client(helloOf(audioPeer))
	hears(t, audio, helloWord)
	assert.Equal(t, agentapi.EndTaken, <-end)
	eventually.True(t, "nobody stands in any more", func() bool { return !a.stands() })
	assert.Equal(t, 2, s.Registered(), "the desktop has its viewer")

	_ = video.Close()
	_ = audio.Close()
	eventually.Equal(t, "the client's end is the desktop's", 0, s.Registered)
}

func TestAClientThatComesWhileTheDesktopSpeaksLosesAndDoublesNothing(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.Registered)
	eventually.True(t, "it stands in", a.stands)
	const many = 300
	speaks := make(chan struct{})
	go func() {
		defer close(speaks)
		for i := range many {
			s.Say(t, videoPeer, strconv.Itoa(i))
		}
	}()
	c := a.client(helloOf(videoPeer))
	hears(t, c, helloWord)
	for i := range many {
		hears(t, c, strconv.Itoa(i))
	}
	<-speaks
}

func TestADesktopWithAViewerIsLeftToIt(t *testing.T) {
	s := standintest.New(t, nil)
	own := map[string]*websocket.Conn{}
	for _, uid := range []string{videoPeer, audioPeer} {
		c, resp, err := websocket.DefaultDialer.Dial("ws://"+s.Listener.Addr().String()+"/webrtc/signalling/", nil)
		require.NoError(t, err)
		_ = resp.Body.Close()
		defer func() { _ = c.Close() }()
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("HELLO "+uid)))
		hears(t, c, helloWord)
		own[uid] = c
	}
	a := newAgent(t, s.Port())
	end, _ := a.order(order)
	assert.Equal(t, agentapi.EndRefused, <-end)
	assert.False(t, a.stands())
	s.Say(t, videoPeer, "still here")
	hears(t, own[videoPeer], "still here")
	refusedThere(t, a.client(helloOf(videoPeer)))
}

func TestAPlaceIsGivenBackInTimeWhereNobodyComes(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	soon := order
	soon.Milliseconds = 50
	end, _ := a.order(soon)
	assert.Equal(t, agentapi.EndGivenBack, <-end)
	eventually.Equal(t, "the desktop's places are free", 0, s.Registered)
	assert.False(t, a.stands())
	refusedThere(t, a.client(helloOf(videoPeer)))
}

// The one that the desktop answers is given back though it never answers the other.
func TestNoClientIsSentForOneOfTwoPlaces(t *testing.T) {
	s := standintest.New(t, nil)
	s.Ignores(audioPeer)
	a := newAgent(t, s.Port())
	soon := order
	soon.Milliseconds = 500
	end, _ := a.order(soon)
	eventually.Equal(t, "one is registered", 1, s.Registered)
	assert.Equal(t, agentapi.EndGivenBack, <-end)
	assert.Empty(t, a.told)
}

func TestAPlaceIsGivenBackSoonAfterNobodyWantsItAndNotBefore(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	_, breakOff := a.order(order)
	eventually.True(t, "it stands in", a.stands)
	breakOff() // the activator was killed; another one asks
	end, breakOff := a.order(order)
	time.AfterFunc(lingerFor+time.Second, breakOff)
	assert.Empty(t, <-end)
	assert.Len(t, s.Said(), 2, "it registered anew for the second")
	eventually.Equal(t, "the desktop's places are free", 0, s.Registered)
}

func TestAClientWithAnotherScreenRegistersItself(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	end, _ := a.order(order)
	eventually.True(t, "it stands in", a.stands)
	for _, uid := range []string{videoPeer, audioPeer} {
		refusedThere(t, a.client(hello{uid, &meta{"640x480", 1}}.String()))
	}
	assert.Equal(t, agentapi.EndGivenBack, <-end)
	eventually.Equal(t, "the desktop's places are free", 0, s.Registered)
}

func TestADesktopThatSaysTooMuchIsGivenBack(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	small := order
	small.Bytes = 1000
	end, _ := a.order(small)
	eventually.True(t, "it stands in", a.stands)
	eventually.Equal(t, "registered", 2, s.Registered)
	s.Say(t, videoPeer, strings.Repeat("x", 2000))
	assert.Equal(t, agentapi.EndGivenBack, <-end)
}

func TestADesktopThatBreaksOffIsAskedAgainAndItsPingsAreAnswered(t *testing.T) {
	s := standintest.New(t, nil)
	other := httptest.NewServer(http.NotFoundHandler()) // something else behind
	defer other.Close()
	a := newAgent(t, uint16(other.Listener.Addr().(*net.TCPAddr).Port), s.Port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.Registered)
	s.BreakOff()
	eventually.True(t, "registered anew", func() bool { return len(s.Said()) == 4 })
	eventually.Equal(t, "both", 2, s.Registered)
	s.Ping(t, videoPeer)
	eventually.Equal(t, "answered", 1, s.Pongs)
	eventually.True(t, "it stands in", a.stands)
	hears(t, a.client(helloOf(videoPeer)), helloWord)
}

func TestAnAgentThatEndsLetsWhoTookAPlaceGoOn(t *testing.T) {
	s := standintest.New(t, nil)
	a := newAgent(t, s.Port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.Registered)
	eventually.True(t, "it stands in", a.stands)
	c := a.client(helloOf(videoPeer))
	hears(t, c, helloWord)
	a.kill()
	eventually.Equal(t, "the place that nobody took is free", 1, s.Registered)
	s.Say(t, videoPeer, "still here")
	hears(t, c, "still here")
	_ = c.Close()
}

func TestOrdersThatCannotBeAreRefusedWithTheirField(t *testing.T) {
	a := newAgent(t, 1)
	for field, bad := range map[string]string{
		"width": `{"height":1,"scale":1,"milliseconds":1,"bytes":1}`, "scale": `{"width":1,"height":1,"scale":-1,"milliseconds":1,"bytes":1}`,
		"bytes":        `{"width":1,"height":1,"scale":1,"milliseconds":1,"bytes":1e9}`,
		"milliseconds": `{"width":1,"height":1,"scale":1,"milliseconds":1e12,"bytes":1}`, "invalid": "{",
	} {
		resp, err := http.Post("http://"+a.at+agentapi.StandInPath, "application/json", strings.NewReader(bad))
		require.NoError(t, err)
		text := make([]byte, 200)
		n, _ := resp.Body.Read(text)
		_ = resp.Body.Close()
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, field)
		if field != "invalid" {
			assert.Contains(t, string(text[:n]), field)
		}
	}
}
