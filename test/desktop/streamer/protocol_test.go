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

func TestThePageBringsTheScriptsAndStylesOfItsProtocol(t *testing.T) {
	for protocol, want := range map[protocolName]string{
		selkies1: `src="selkies1.js"`, selkies2WebRTC: `src="mode.js"`, selkies2WebSockets: `src="mode.js"`,
		linuxServer: `src="linuxserver.js"`, plain: `src="plain.js"`,
	} {
		base := routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})
		page := ask(t, base+"/")
		if !strings.Contains(page.body, want) {
			t.Errorf("%s: the page lacks %s:\n%s", protocol, want, page.body)
		}
		for _, file := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			if got := ask(t, base+"/"+file[1]); got.status != http.StatusOK {
				t.Errorf("%s: %s answered %d", protocol, file[1], got.status)
			}
		}
	}
}

func TestSelkies1sPageHasFontsOfNoTypeThatABrowserKnows(t *testing.T) {
	base := routesOf(t, nil)
	fonts := regexp.MustCompile(`url\(([^)]+)\)`).FindAllStringSubmatch(ask(t, base+"/fonts.css").body, -1)
	if len(fonts) < 2 {
		t.Fatalf("only %d fonts", len(fonts))
	}
	for _, font := range fonts {
		got := ask(t, base+"/"+font[1])
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/octet-stream" || len(got.body) < 1000 {
			t.Errorf("%s: %d, %q, %d bytes", font[1], got.status, got.header.Get("Content-Type"), len(got.body))
		}
	}
}

func TestSelkies2SaysWhichModeItIsIn(t *testing.T) {
	for protocol, mode := range map[protocolName]string{selkies2WebRTC: "webrtc", selkies2WebSockets: "websockets"} {
		want := `{"available_modes":["webrtc","websockets"],"current_mode":"` + mode + `","enable_dual_mode":false}`
		if got := ask(t, routesOf(t, map[string]string{"DESKTOP_PROTOCOL": string(protocol)})+"/api/status"); strings.TrimSpace(got.body) != want {
			t.Errorf("%s: /api/status says %s, want %s", protocol, got.body, want)
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
