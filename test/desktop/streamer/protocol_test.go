package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
)

// routesOf serves a desktop that has no screen.
func routesOf(t *testing.T, env map[string]string) string {
	t.Helper()
	getenv := func(name string) string { return env[name] }
	c, err := readConfig(getenv)
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	servers, err := iceconfig.New(getenv, log)
	require.NoError(t, err)
	d := &desktop{config: c, servers: servers, marks: &milestones{start: time.Now(), log: log, first: map[string]float64{}},
		screen: &screen{ready: make(chan struct{})}, listening: make(chan struct{})}
	d.speaks = d.speak()
	server := httptest.NewServer(d.routes())
	t.Cleanup(server.Close)
	return server.URL
}

type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, address string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// upgrade asks for a WebSocket.
func upgrade(t *testing.T, address, origin string) int {
	t.Helper()
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	if origin != "" {
		header.Set("Origin", origin)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	req.Header = header
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestEachProtocolTakesWebSocketsAtItsOwnAddresses(t *testing.T) {
	all := []string{"/ws", "/webrtc/signalling/", "/api/webrtc/signaling/", "/api/websockets", "/websockets", "/deep/folder/websockets", "/websockify"}
	for protocol, takes := range map[protocolName][]int{
		selkies1:           {101, 101, 404, 404, 404, 404, 404},
		selkies2WebRTC:     {404, 404, 101, 409, 404, 404, 404},
		selkies2WebSockets: {404, 404, 409, 101, 404, 404, 404},
		linuxServer:        {404, 404, 404, 404, 101, 101, 404},
		plain:              {404, 404, 404, 404, 404, 404, 101},
	} {
		base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})
		for i, path := range all {
			assert.Equal(t, takes[i], upgrade(t, base+path, ""), "%s: %s", protocol, path)
		}
	}
}

func TestSelkies2StartsBehindAnOpenPort(t *testing.T) {
	for protocol, paths := range map[protocolName][]string{
		selkies2WebRTC: {"/api/webrtc/signaling/", "/api/turn"}, selkies2WebSockets: {"/api/websockets"},
	} {
		base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol), "DESKTOP_STARTING": "1h"})
		for _, path := range paths {
			got := ask(t, base+path)
			require.Equal(t, http.StatusServiceUnavailable, got.status, protocol)
			assert.Equal(t, "1", got.header.Get("Retry-After"), "%s: %s, Retry-After", protocol, path)
		}
		got := ask(t, base+"/api/health")
		require.Equal(t, http.StatusOK, got.status, protocol)
		assert.Equal(t, "OK", got.body, "%s: /api/health", protocol)
	}
}

func TestSelkies2TakesSocketsOnlyFromPagesOfItsOwnHost(t *testing.T) {
	base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(selkies2WebSockets)})
	assert.Equal(t, http.StatusForbidden, upgrade(t, base+"/api/websockets", "http://elsewhere.example"),
		"a page of another host, want 403")
	assert.Equal(t, http.StatusSwitchingProtocols, upgrade(t, base+"/api/websockets", base), "a page of this host, want 101")
}

func TestSelkies2sProbesNeedNoPassword(t *testing.T) {
	env := map[string]string{"DESKTOP_PROTOCOL": string(selkies2WebRTC), "SELKIES_ENABLE_BASIC_AUTH": "true"}
	base := routesOf(t, env)
	for path, want := range map[string]int{"/api/health": 200, "/api/status": 200, "/": 401, "/api/turn": 401} {
		assert.Equal(t, want, ask(t, base+path).status, path)
	}
	env["DESKTOP_PROTOCOL"] = string(selkies1)
	assert.Equal(t, http.StatusUnauthorized, ask(t, routesOf(t, env)+"/health").status, "Selkies 1.6's /health, want 401")
}

func TestThePageBringsTheScriptsAndStylesOfItsProtocol(t *testing.T) {
	for protocol, want := range map[protocolName]string{
		selkies1: `src="selkies1.js"`, selkies2WebRTC: `src="mode.js"`, selkies2WebSockets: `src="mode.js"`,
		linuxServer: `src="linuxserver.js"`, plain: `src="plain.js"`,
	} {
		base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})
		page := ask(t, base+"/")
		assert.Contains(t, page.body, want, "%s: the page lacks", protocol)
		for _, file := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			assert.Equal(t, http.StatusOK, ask(t, base+"/"+file[1]).status, "%s: %s", protocol, file[1])
		}
	}
}

func TestSelkies1sPageHasFontsOfNoTypeThatABrowserKnows(t *testing.T) {
	base := routesOf(t, nil)
	fonts := regexp.MustCompile(`url\(([^)]+)\)`).FindAllStringSubmatch(ask(t, base+"/fonts.css").body, -1)
	require.GreaterOrEqual(t, len(fonts), 2, "only %d fonts", len(fonts))
	for _, font := range fonts {
		got := ask(t, base+"/"+font[1])
		require.Equal(t, http.StatusOK, got.status, font[1])
		require.Equal(t, "application/octet-stream", got.header.Get("Content-Type"), font[1])
		assert.GreaterOrEqual(t, len(got.body), 1000, "%s, bytes", font[1])
	}
}

func TestSelkies2SaysWhichModeItIsIn(t *testing.T) {
	for protocol, mode := range map[protocolName]string{selkies2WebRTC: "webrtc", selkies2WebSockets: "websockets"} {
		want := `{"available_modes":["webrtc","websockets"],"current_mode":"` + mode + `","enable_dual_mode":false}`
		got := ask(t, routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})+"/api/status")
		assert.Equal(t, want, strings.TrimSpace(got.body), "%s: /api/status says %s", protocol, got.body)
	}
}

func TestOnlyADesktopThatMayDieHasTheAddressForIt(t *testing.T) {
	assert.Equal(t, http.StatusNotFound, ask(t, routesOf(t, nil)+"/demo/exit").status, "without DESKTOP_ALLOW_EXIT it, want 404")
	if got := ask(t, routesOf(t, map[string]string{"DESKTOP_ALLOW_EXIT": "true"})+"/demo/exit"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET answered %d, want 405", got.status)
	}
}
