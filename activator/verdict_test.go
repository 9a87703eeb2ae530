package activator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/verdict"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	webRTC     = "/api/webrtc/signaling/"
	webSockets = "/api/websockets"
)

// selkies2 answers the routes of Selkies 2 as that does in either mode.
type selkies2 struct {
	*httptest.Server
	// serves is the path of its mode; upgrades counts what it upgraded.
	serves   atomic.Value
	upgrades atomic.Int32
	// instead, if not 0, is answered to everything.
	instead atomic.Int32
}

func newSelkies2(t *testing.T, serves string) *selkies2 {
	t.Helper()
	d := &selkies2{}
	d.serves.Store(serves)
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *selkies2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	other := d.serves.Load() != r.URL.Path
	switch instead := int(d.instead.Load()); {
	case instead != 0:
		w.Header().Set("WWW-Authenticate", `Basic realm="desktop"`)
		http.Error(w, "otherwise", instead)
		return
	case r.URL.Path == webRTC && other:
		http.Error(w, "WebRTC mode is inactive", http.StatusConflict)
		return
	case r.URL.Path == webSockets && other:
		http.Error(w, "WebSocket mode is inactive", http.StatusConflict)
		return
	}
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil) // 400 to what is no upgrade, as aiohttp
	if err != nil {
		return
	}
	d.upgrades.Add(1)
	defer func() { _ = ws.Close() }()
	for {
		kind, m, err := ws.ReadMessage()
		if err != nil || ws.WriteMessage(kind, append([]byte("echo "), m...)) != nil {
			return
		}
	}
}

func (g *gateway) expectUpgradeRefused(at string, code int) answer {
	g.T.Helper()
	resp := g.upgrade(at, g.As(fromPage))
	require.NotNil(g.T, resp, at)
	require.Equal(g.T, code, resp.StatusCode, "%s is answered %v", at, resp)
	body, err := io.ReadAll(resp.Body)
	require.NoError(g.T, err)
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}
}

// expectGreeted says HELLO and waits until the desktop has heard it; a HELLO before that is ours.
func expectGreeted(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	say(t, ws, viewerHello)
	for {
		_, m, err := ws.ReadMessage()
		require.NoError(t, err)
		if string(m) == "echo "+viewerHello {
			return
		}
	}
}

// TestAClientInTheOtherModeIsToldAsSelkies2Would does what the client does: it asks by
// GET only after an upgrade that failed, in WebRTC mode after four in a row.
func TestAClientInTheOtherModeIsToldAsSelkies2Would(t *testing.T) {
	g := newGateway(t)
	d := newSelkies2(t, webSockets)
	first := g.dial(webRTC, g.As(fromPage))
	g.Wakes(d.Server)
	expectClosed(t, first, 1011, "409 Conflict")
	for range 4 {
		told := g.expectUpgradeRefused(webRTC, http.StatusConflict)
		require.Equal(t, "the desktop refused the connection: 409 Conflict\n", told.body, "%v", told.header)
		assert.Equal(t, "no-store", told.header.Get("Cache-Control"), "%v", told.header)
	}
	g.ExpectRefusals(closing.DesktopRejected, 5)
	assert.Equal(t, http.StatusConflict, g.do(http.MethodGet, webRTC, g.As(fetching)).code, "the client's question, want 409")
	right := g.dial(webSockets, g.As(fromPage))
	say(t, right, "SETTINGS,{}")
	expectEcho(t, right, "SETTINGS,{}")
	assert.EqualValues(t, 1, d.upgrades.Load(), "the desktop upgraded times, want once")
}

func TestAVerdictEndsWithTheModeAtTheDesktop(t *testing.T) {
	g := newGateway(t)
	d := newSelkies2(t, webSockets)
	g.Wakes(d.Server)
	expectClosed(t, g.dial(webRTC, g.As(fromPage)), 1011, "409")
	g.expectUpgradeRefused(webRTC, http.StatusConflict)
	d.serves.Store(webRTC)
	expectGreeted(t, g.dial(webRTC, g.As(fromPage)))
	view, _ := g.Directory.View(alice)
	at, _ := verdict.Of(view, webRTC)
	assert.Equal(t, 0, g.Verdicts().Recall(at), "the verdict is still remembered")
	expectClosed(t, g.dial(webSockets, g.As(fromPage)), 1011, "409")
	g.expectUpgradeRefused(webSockets, http.StatusConflict)
}

func TestADesktopThatOnlyStartsIsNoVerdict(t *testing.T) {
	g := newGateway(t)
	d := newSelkies2(t, webSockets)
	d.instead.Store(http.StatusServiceUnavailable)
	g.Wakes(d.Server)
	held := g.dial(webSockets, g.As(fromPage))
	say(t, held, "cr")
	again := g.dial(webSockets, g.As(fromPage)) // accepted meanwhile
	say(t, again, "cr")
	d.instead.Store(0)
	expectEcho(t, held, "cr")
	expectEcho(t, again, "cr")

	// Nor does one that was refused before wait while a program restarts.
	expectClosed(t, g.dial(webRTC, g.As(fromPage)), 1011, "409")
	d.instead.Store(http.StatusServiceUnavailable)
	restarted := g.dial(webRTC, g.As(fromPage))
	say(t, restarted, viewerHello)
	_, m, err := restarted.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(m), "heard %q, while held; want HELLO", m)
	d.serves.Store(webRTC)
	d.instead.Store(0)
	expectEcho(t, restarted, viewerHello)
}

func TestADesktopsChallengeReachesTheClient(t *testing.T) {
	for _, status := range []int{401, 403, 404, 410} {
		g := newGateway(t)
		d := newSelkies2(t, webSockets)
		g.Wakes(d.Server)
		there := g.dial(webSockets, g.As(fromPage))
		say(t, there, "cr")
		expectEcho(t, there, "cr")
		d.instead.Store(int32(status))
		expectClosed(t, g.dial(webSockets, g.As(fromPage)), 1011, fmt.Sprint(status))
		told := g.expectUpgradeRefused(webSockets, status)
		challenge := told.header.Get("WWW-Authenticate")
		assert.Equal(t, challenge != "", status == 401, "%d comes with the challenge %q", status, challenge)
	}
}

func TestAVerdictIsOnePathsOfOneSessionsPod(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newSelkies2(t, webSockets).Server)
	expectClosed(t, g.dial(webRTC, g.As(fromPage)), 1011, "409")
	g.expectUpgradeRefused(webRTC, http.StatusConflict)

	bob := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: "bob", UID: "2"}}
	bob.Spec.User = "bob@example.com"
	bob.Status.ObservedGeneration, bob.Status.StartTime = 1, &metav1.MicroTime{Time: time.Now()}
	g.Directory.SetSession(bob)
	neighbour := gatewaytest.PodOf(bob, newSelkies2(t, webRTC).Server)
	g.Directory.SetPod(neighbour)
	h := http.Header{"Host": {"bob--desktops.vdi.localhost"}, "Origin": {"http://bob--desktops.vdi.localhost"},
		"Cookie": {"vdi-session=" + g.sign(bob)}}
	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(g.Front.URL, "http")+webRTC, h)
	require.NoError(t, err, "another session's upgrade")
	defer func() { _ = ws.Close() }()
	expectGreeted(t, ws)

	g.expectUpgradeRefused(webRTC, http.StatusConflict)
	g.DropPod()
	accepted := g.dial(webRTC, g.As(fromPage)) // nobody is there to mean it
	g.SetPod(gatewaytest.PodOf(g.Owned, newSelkies2(t, webSockets).Server))
	expectClosed(t, accepted, 1011, "409")
}
