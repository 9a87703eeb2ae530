package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const enough = 10 * time.Second

var order = agentapi.StandIn{Width: 1280, Height: 720, Scale: 1.5, Milliseconds: time.Minute.Milliseconds(), Bytes: 64 << 10}

// helloOf is what a client with the order's screen says.
func helloOf(uid string) string { m := metaOf(order); return hello{uid, &m}.String() }

// selkies is the signaling server of Selkies 1.6: it registers peers, says offers to them and
// tells what it hears.
type selkies struct {
	*httptest.Server
	mu    sync.Mutex
	peers map[string]*websocket.Conn
	// said are HELLOs, heard what came after them, by peer.
	said  []string
	heard map[string][]string
	// pongs counts answers to its pings.
	pongs int
}

func newSelkies(t *testing.T, l net.Listener) *selkies {
	t.Helper()
	s := &selkies{peers: map[string]*websocket.Conn{}, heard: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	if l != nil {
		_ = s.Listener.Close()
		s.Listener = l
	}
	s.Start()
	t.Cleanup(func() {
		s.closeAll()
		s.Close()
	})
	return s
}

func (s *selkies) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.peers {
		_ = c.Close()
	}
}

func (s *selkies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/signalling/") {
		http.NotFound(w, r)
		return
	}
	c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, m, err := c.ReadMessage()
	if err != nil {
		return
	}
	uid := strings.Fields(string(m))[1]
	s.mu.Lock()
	if s.peers[uid] != nil {
		s.mu.Unlock()
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(takenCode, takenReason))
		return
	}
	s.peers[uid], s.said = c, append(s.said, string(m))
	c.SetPongHandler(func(string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pongs++
		return nil
	})
	_ = c.WriteMessage(websocket.TextMessage, []byte(helloWord))
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.peers, uid)
	}()
	for {
		_, m, err := c.ReadMessage()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.heard[uid] = append(s.heard[uid], string(m))
		s.mu.Unlock()
	}
}

func (s *selkies) say(t *testing.T, uid, text string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(t, s.peers[uid], "peer %s", uid)
	require.NoError(t, s.peers[uid].WriteMessage(websocket.TextMessage, []byte(text)))
}

func (s *selkies) registered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

func (s *selkies) port() uint16 { return uint16(s.Listener.Addr().(*net.TCPAddr).Port) }

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
	s := newSelkies(t, l)
	eventually.Equal(t, "registered", 2, s.registered)
	eventually.True(t, "it is said that it stands in", a.stands)
	for _, uid := range []string{videoPeer, audioPeer} {
		assert.Contains(t, s.said, helloOf(uid))
	}
	s.say(t, videoPeer, "offer")
	long := strings.Repeat("x", 20<<10)
	s.say(t, videoPeer, long)

	video := a.client(helloOf(videoPeer))
	hears(t, video, helloWord, "offer", long)
	s.say(t, videoPeer, "candidate")
	hears(t, video, "candidate")
	require.NoError(t, video.WriteMessage(websocket.TextMessage, []byte("answer")))
	eventually.True(t, "the desktop hears the client", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.heard[videoPeer]) == 1 && s.heard[videoPeer][0] == "answer"
	})
	audio := a.client(helloOf(audioPeer))
	hears(t, audio, helloWord)
	assert.Equal(t, agentapi.EndTaken, <-end)
	eventually.True(t, "nobody stands in any more", func() bool { return !a.stands() })
	assert.Equal(t, 2, s.registered(), "the desktop has its viewer")

	_ = video.Close()
	_ = audio.Close()
	eventually.Equal(t, "the client's end is the desktop's", 0, s.registered)
}

func TestAClientThatComesWhileTheDesktopSpeaksLosesAndDoublesNothing(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.registered)
	eventually.True(t, "it stands in", a.stands)
	const many = 300
	speaks := make(chan struct{})
	go func() {
		defer close(speaks)
		for i := range many {
			s.mu.Lock()
			_ = s.peers[videoPeer].WriteMessage(websocket.TextMessage, []byte(fmt.Sprint(i)))
			s.mu.Unlock()
		}
	}()
	c := a.client(helloOf(videoPeer))
	hears(t, c, helloWord)
	for i := range many {
		hears(t, c, fmt.Sprint(i))
	}
	<-speaks
}

func TestADesktopWithAViewerIsLeftToIt(t *testing.T) {
	s := newSelkies(t, nil)
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
	a := newAgent(t, s.port())
	end, _ := a.order(order)
	assert.Equal(t, agentapi.EndRefused, <-end)
	assert.False(t, a.stands())
	s.say(t, videoPeer, "still here")
	hears(t, own[videoPeer], "still here")
	refusedThere(t, a.client(helloOf(videoPeer)))
}

func TestAPlaceIsGivenBackInTimeWhereNobodyComes(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	soon := order
	soon.Milliseconds = 50
	end, _ := a.order(soon)
	assert.Equal(t, agentapi.EndGivenBack, <-end)
	eventually.Equal(t, "the desktop's places are free", 0, s.registered)
	assert.False(t, a.stands())
	refusedThere(t, a.client(helloOf(videoPeer)))
}

func TestAPlaceIsGivenBackSoonAfterNobodyWantsItAndNotBefore(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	_, breakOff := a.order(order)
	eventually.True(t, "it stands in", a.stands)
	breakOff() // the activator was killed; another one asks
	end, breakOff := a.order(order)
	time.AfterFunc(lingerFor+time.Second, breakOff)
	assert.Empty(t, <-end)
	assert.Len(t, s.said, 2, "it registered anew for the second")
	eventually.Equal(t, "the desktop's places are free", 0, s.registered)
}

func TestAClientWithAnotherScreenRegistersItself(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	end, _ := a.order(order)
	eventually.True(t, "it stands in", a.stands)
	for _, uid := range []string{videoPeer, audioPeer} {
		refusedThere(t, a.client(hello{uid, &meta{"640x480", 1}}.String()))
	}
	assert.Equal(t, agentapi.EndGivenBack, <-end)
	eventually.Equal(t, "the desktop's places are free", 0, s.registered)
}

func TestADesktopThatSaysTooMuchIsGivenBack(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	small := order
	small.Bytes = 1000
	end, _ := a.order(small)
	eventually.True(t, "it stands in", a.stands)
	eventually.Equal(t, "registered", 2, s.registered)
	s.say(t, videoPeer, strings.Repeat("x", 1000))
	s.say(t, audioPeer, strings.Repeat("x", 1000))
	assert.Equal(t, agentapi.EndGivenBack, <-end)
}

func TestADesktopThatBreaksOffIsAskedAgainAndItsPingsAreAnswered(t *testing.T) {
	s := newSelkies(t, nil)
	other := httptest.NewServer(http.NotFoundHandler()) // something else behind
	defer other.Close()
	a := newAgent(t, uint16(other.Listener.Addr().(*net.TCPAddr).Port), s.port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.registered)
	s.closeAll()
	eventually.True(t, "registered anew", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.said) == 4
	})
	eventually.Equal(t, "both", 2, s.registered)
	s.mu.Lock()
	require.NoError(t, s.peers[videoPeer].WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(enough)))
	s.mu.Unlock()
	eventually.Equal(t, "answered", 1, func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.pongs
	})
	eventually.True(t, "it stands in", a.stands)
	hears(t, a.client(helloOf(videoPeer)), helloWord)
}

func TestAnAgentThatEndsLetsWhoTookAPlaceGoOn(t *testing.T) {
	s := newSelkies(t, nil)
	a := newAgent(t, s.port())
	a.order(order)
	eventually.Equal(t, "registered", 2, s.registered)
	eventually.True(t, "it stands in", a.stands)
	c := a.client(helloOf(videoPeer))
	hears(t, c, helloWord)
	a.kill()
	eventually.Equal(t, "the place that nobody took is free", 1, s.registered)
	s.say(t, videoPeer, "still here")
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
