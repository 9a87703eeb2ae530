package activator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	enough = 10 * time.Second
	host   = "alice--desktops.vdi.localhost"
)

var alice = gatewaytest.Alice

// gateway is a gateway, and what this package's tests ask of it.
type gateway struct{ *gatewaytest.Gateway }

func newGateway(t testing.TB, how ...func(*config.Config)) *gateway {
	t.Helper()
	o := gatewaytest.Options{Config: gatewaytest.Config(how...)}
	if p := o.Config.Portal; p != nil && strings.HasPrefix(p.Service, "http") { // where a test says that it is
		o.PortalAt = p.Service
	} else if p != nil {
		o.PortalAt = newPortal(t)
	}
	return &gateway{gatewaytest.New(t, o)}
}

// another is a second replica of the activator.
func (g *gateway) another() *gateway { g.T.Helper(); return &gateway{g.Another()} }

func (g *gateway) expectNothingWritten() {
	g.T.Helper()
	assert.Empty(g.T, g.Written(), "written, want nothing")
}

// value reads a gauge or a counter.
func value(c prometheus.Collector) func() float64 {
	return func() float64 { return testutil.ToFloat64(c) }
}

func (g *gateway) sign(s *v1alpha1.VDISession) string {
	g.T.Helper()
	return g.Token(token.AudienceSession, s, 0)
}

// Header fields of the kinds of visitor there are.
var (
	navigating = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	framing    = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {"text/html"}}
	fetching   = http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"}}
	fromPage   = http.Header{"Origin": {"http://" + host}}
	noBrowser  = http.Header{}
)

type answer struct {
	code   int
	header http.Header
	body   string
	// closes says that the connection ends with it.
	closes bool
}

func (g *gateway) do(method, at string, h http.Header) answer {
	g.T.Helper()
	req, err := http.NewRequestWithContext(g.T.Context(), method, g.Front.URL+at, nil)
	require.NoError(g.T, err)
	req.Host, req.Header = g.Host, h.Clone()
	if other := h.Get("Test-Host"); other != "" {
		req.Host = other
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	require.NoError(g.T, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(g.T, err)
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}
}

func (g *gateway) dial(at string, h http.Header) *websocket.Conn {
	g.T.Helper()
	h = h.Clone()
	h.Set("Host", g.Host)
	ws, _, err := websocket.DefaultDialer.DialContext(g.T.Context(), "ws"+strings.TrimPrefix(g.Front.URL, "http")+at, h)
	require.NoError(g.T, err, "the upgrade was refused")
	g.T.Cleanup(func() { _ = ws.Close() })
	return ws
}

func expectClosed(t *testing.T, ws *websocket.Conn, code int, text string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, code, closed.Code)
		assert.Contains(t, closed.Text, text, "ended")
		return
	}
}

// newDesktop is a web desktop: a page at /, and a WebSocket that says what it
// hears, until it hears "end".
func newDesktop(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("X-Frame-Options", "DENY")
			_, _ = io.WriteString(w, "desktop "+r.Method+" "+r.URL.Path+" cookies:"+r.Header.Get("Cookie"))
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // the test may have ended
		}
		defer func() { _ = ws.Close() }()
		for {
			kind, m, err := ws.ReadMessage()
			if err != nil || string(m) == "end" || ws.WriteMessage(kind, append([]byte("echo "), m...)) != nil {
				return
			}
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func expectEcho(t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	_, m, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "echo "+want, string(m), "heard %q; want the echo of %q", m, want)
}

func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}
