package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
)

// routesOf serves a desktop that has no screen.
func routesOf(t *testing.T, env map[string]string) string {
	t.Helper()
	getenv := func(name string) string { return env[name] }
	c, err := readConfig(getenv)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	servers, err := iceconfig.New(getenv, log)
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
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
			if got := upgrade(t, base+path, ""); got != takes[i] {
				t.Errorf("%s: %s answered %d, want %d", protocol, path, got, takes[i])
			}
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
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
				t.Errorf("%s: %s answered %d, Retry-After %q", protocol, path, got.status, got.header.Get("Retry-After"))
			}
		}
		if got := ask(t, base+"/api/health"); got.status != http.StatusOK || got.body != "OK" {
			t.Errorf("%s: /api/health answered %d %q", protocol, got.status, got.body)
		}
	}
}

func TestSelkies2TakesSocketsOnlyFromPagesOfItsOwnHost(t *testing.T) {
	base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(selkies2WebSockets)})
	if got := upgrade(t, base+"/api/websockets", "http://elsewhere.example"); got != http.StatusForbidden {
		t.Errorf("a page of another host got %d, want 403", got)
	}
	if got := upgrade(t, base+"/api/websockets", base); got != http.StatusSwitchingProtocols {
		t.Errorf("a page of this host got %d, want 101", got)
	}
}

func TestSelkies2sProbesNeedNoPassword(t *testing.T) {
	env := map[string]string{"DESKTOP_PROTOCOL": string(selkies2WebRTC), "SELKIES_ENABLE_BASIC_AUTH": "true"}
	base := routesOf(t, env)
	for path, want := range map[string]int{"/api/health": 200, "/api/status": 200, "/": 401, "/api/turn": 401} {
		if got := ask(t, base+path); got.status != want {
			t.Errorf("%s answered %d, want %d", path, got.status, want)
		}
	}
	env["DESKTOP_PROTOCOL"] = string(selkies1)
	if got := ask(t, routesOf(t, env)+"/health"); got.status != http.StatusUnauthorized {
		t.Errorf("Selkies 1.6's /health answered %d, want 401", got.status)
	}
}

func TestThePageBringsTheScriptOfItsProtocol(t *testing.T) {
	for protocol, want := range map[protocolName]string{
		selkies1: `src="selkies1.js"`, selkies2WebRTC: `src="selkies2.js"`, selkies2WebSockets: `data-path="api/websockets"`,
		linuxServer: `data-path="websockets"`, plain: `src="plain.js"`,
	} {
		base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})
		page := ask(t, base+"/")
		if !strings.Contains(page.body, want) {
			t.Errorf("%s: the page lacks %s:\n%s", protocol, want, page.body)
		}
		for _, line := range strings.Split(page.body, "\n") {
			if _, rest, ok := strings.Cut(line, `<script src="`); ok {
				script, _, _ := strings.Cut(rest, `"`)
				if got := ask(t, base+"/"+script); got.status != http.StatusOK {
					t.Errorf("%s: %s answered %d", protocol, script, got.status)
				}
			}
		}
	}
}

func TestOnlyADesktopThatMayDieHasTheAddressForIt(t *testing.T) {
	if got := ask(t, routesOf(t, nil)+"/demo/exit"); got.status != http.StatusNotFound {
		t.Errorf("without DESKTOP_ALLOW_EXIT it answered %d, want 404", got.status)
	}
	if got := ask(t, routesOf(t, map[string]string{"DESKTOP_ALLOW_EXIT": "true"})+"/demo/exit"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET answered %d, want 405", got.status)
	}
}
