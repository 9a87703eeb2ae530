package activator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// aliceAt is alice's session where sessions are folders of one host.
const aliceAt = "/alice--desktops"

// fromFolder is a script of a desktop's page there.
var fromFolder = http.Header{"Origin": {"http://vdi.localhost"}}

func TestByPathALinkOpensTheSessionInItsFolder(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	raw := g.sign(g.Owned)
	got := g.do(http.MethodGet, aliceAt+"/desk?x=1&vdi_token="+raw, navigating)
	if cookie := got.header.Get("Set-Cookie"); got.code != http.StatusSeeOther || got.header.Get("Location") != aliceAt+"/desk?x=1" ||
		!strings.Contains(cookie, "vdi-session=") || !strings.Contains(cookie, "; Path="+aliceAt+"/;") {
		t.Fatalf("%d to %q with %q", got.code, got.header.Get("Location"), cookie)
	}
	// Pages of a folder without its slash would look for their files beside it.
	if got := g.do(http.MethodGet, aliceAt+"?vdi_token="+raw, navigating); got.code != http.StatusTemporaryRedirect || got.header.Get("Location") != aliceAt+"/?vdi_token="+raw {
		t.Errorf("%d to %q", got.code, got.header.Get("Location"))
	}
	g.expectNothingWritten()
}

func TestByPathThePageKnowsItsFolder(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	got := g.do(http.MethodGet, aliceAt+"/desk?x=1", g.As(navigating))
	require.Equal(t, http.StatusAccepted, got.code, got.body)
	for _, part := range []string{
		`content="2; url=` + aliceAt + `/desk?x=1&amp;vdi_refresh=1"`, `href="` + aliceAt + `/desk?x=1"`,
		`&#34;eventsPath&#34;:&#34;` + aliceAt + `/_vdi/events&#34;`, `&#34;wakePath&#34;:&#34;` + aliceAt + `/_vdi/wake&#34;`, `src="/_vdi/assets/shell.js"`,
	} {
		assert.Contains(t, got.body, part, "the page does not hold")
	}
	for _, at := range []string{page.AssetsPath + "shell.js", aliceAt + page.StatusPath} {
		assert.Equal(t, http.StatusOK, g.do(http.MethodGet, at, g.As(fetching)).code, at)
	}
	assert.Equal(t, http.StatusNoContent, g.do(http.MethodPost, aliceAt+page.WakePath, g.As(fromFolder)).code, "waking")
	assert.Equal(t, http.StatusForbidden, g.do(http.MethodGet, aliceAt+"/sw.js", with(g.As(fetching), "Service-Worker", "script")).code,
		"a worker for the session's whole folder")
}

// tellsItsPath is a desktop that says what it was asked, sends on and sets a cookie.
func tellsItsPath(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = ws.Close() }()
			_, m, err := ws.ReadMessage()
			if err == nil {
				_ = ws.WriteMessage(websocket.TextMessage, []byte("echo "+string(m)+" at "+r.RequestURI+" of "+r.Header.Get("X-Forwarded-Prefix")))
			}
			_, _, _ = ws.ReadMessage()
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "theirs", Value: "1", Path: "/"})
		if r.URL.Path == "/login" {
			http.Redirect(w, r, "/desk", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.RequestURI+" of "+r.Header.Get("X-Forwarded-Prefix")+" cookies:"+r.Header.Get("Cookie"))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestByPathADesktopIsAtItsRootAndItsVisitorInTheFolder(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	g.Wakes(tellsItsPath(t))
	got := g.do(http.MethodGet, aliceAt+"/a%2Fb?x=1", with(g.As(fetching), "X-Forwarded-Prefix", "/evil"))
	require.Equal(t, http.StatusOK, got.code)
	require.Equal(t, "/a%2Fb?x=1 of "+aliceAt+" cookies:", got.body)
	assert.Equal(t, "theirs=1; Path="+aliceAt+"/", got.header.Get("Set-Cookie"))
	if got := g.do(http.MethodGet, aliceAt+"/login", g.As(framing)); got.code != http.StatusFound || got.header.Get("Location") != aliceAt+"/desk" {
		t.Errorf("%d to %q", got.code, got.header.Get("Location"))
	}
}

func TestByPathAWebSocketIsHeldAndThenServed(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	plain, old := g.dial(aliceAt+"/desk?x=1", g.As(fromFolder)), g.dial(aliceAt+"/signalling/", g.As(fromFolder))
	say(t, plain, "first")
	// Selkies 1.6 names its socket after the page's folder, as it would "webrtc".
	say(t, old, "HELLO 1")
	_, m, err := old.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(m), "heard %q", m)
	eventually.Equal(g.T, "woken", 1, g.Woken)
	g.Wakes(tellsItsPath(t))
	expectEcho(t, plain, "first at /desk?x=1 of "+aliceAt)
	expectEcho(t, old, "HELLO 1 at /webrtc/signalling/ of "+aliceAt)
}

func TestByPathSelkies16FindsItsTURNConfiguration(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	got := g.do(http.MethodGet, "/turn", with(fetching, "Referer", "http://vdi.localhost"+aliceAt+"/"))
	to := got.header.Get("Location")
	require.Equal(t, http.StatusTemporaryRedirect, got.code)
	require.Equal(t, aliceAt+"/turn", to)
	require.Empty(t, got.header.Values("Set-Cookie"))
	assert.Equal(t, http.StatusUnauthorized, g.do(http.MethodGet, to, fetching).code, "without a token")
	if got := g.do(http.MethodGet, to, g.As(fetching)); got.code != http.StatusOK || !strings.Contains(got.body, "turn:turn.example:3478") {
		t.Errorf("%d %s", got.code, got.body)
	}
	before := refusals(g, closing.UnknownHost)
	upgrade := with(fromFolder, "Referer", "http://vdi.localhost"+aliceAt+"/")
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		upgrade.Set(k, v)
	}
	require.Equal(t, http.StatusNotFound, g.do(http.MethodGet, "/websockify", upgrade).code)
	assert.Equal(t, before+1, refusals(g, closing.UnknownHost), "a WebSocket at the root: no browser follows a redirect of one")
}

func TestByPathTheClientIsKeptUnderTheDesktopsOwnPaths(t *testing.T) {
	g := newGateway(t, gatewaytest.ByPath)
	g.Wakes(newDesktop(t))
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "client")
	}))
	defer html.Close()
	g.Wakes(html)
	got := g.do(http.MethodGet, aliceAt+"/?x=1", g.As(framing))
	require.Equal(t, "client", got.body, "%d", got.code)
	g.DropPod()
	g.Sleeps(lifecycle.ReasonDisconnected, "")
	if got := g.do(http.MethodGet, aliceAt+page.StatusPath+"?at="+url.QueryEscape(aliceAt+"/?x=1"), g.As(fetching)); !strings.Contains(got.body, `"early":true`) {
		t.Errorf("the page is not told of the client: %s", got.body)
	}
	got = g.do(http.MethodGet, aliceAt+"/?x=1", g.As(framing))
	require.Equal(t, http.StatusOK, got.code)
	assert.Equal(t, "client", got.body)
}
