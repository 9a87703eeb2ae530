package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/numbered"
	"github.com/org/vdi-operator/test/desktop/internal/selkies2"
	"github.com/org/vdi-operator/test/desktop/internal/signaling"
	"github.com/org/vdi-operator/test/desktop/internal/wsstream"
	"github.com/org/vdi-operator/test/desktop/web"
)

// protocolName is a value of DESKTOP_PROTOCOL.
type protocolName string

const (
	selkies1           protocolName = "selkies1"
	selkies2WebRTC     protocolName = "selkies2-webrtc"
	selkies2WebSockets protocolName = "selkies2-websockets"
	linuxServer        protocolName = "linuxserver"
	plain              protocolName = "plain"
)

func parseProtocol(text string) (protocolName, error) {
	all := speaks[bare]
	if name := protocolName(text); slices.Contains(all, name) {
		return name, nil
	}
	return "", fmt.Errorf("DESKTOP_PROTOCOL %q: want one of %v", text, all)
}

// protocol is how the desktop talks to its viewers.
type protocol struct {
	client web.Client
	// claims says which addresses are WebSockets.
	claims  func(path string) bool
	sockets sockets
	// connected says who is there.
	connected func() any
	// routes adds what else this kind of desktop answers.
	routes func(*http.ServeMux)
	// keepsAlive says that a connection may carry several requests.
	keepsAlive bool
	// checksOrigin says that WebSockets from pages of other hosts are refused.
	checksOrigin bool
	// open are addresses that need no password.
	open []string
}

// sockets are a desktop's WebSockets.
type sockets interface {
	http.Handler
	// CloseAll tells every viewer that the desktop goes away, Wait returns when all have.
	CloseAll()
	Wait()
}

// speak makes the desktop's protocol.
func (d *desktop) speak() *protocol {
	switch d.config.protocol {
	case selkies2WebRTC:
		return d.selkies2WebRTC()
	case selkies2WebSockets:
		return d.selkies2WebSockets()
	case linuxServer:
		return d.linuxServer()
	case plain:
		s := numbered.NewServer()
		return &protocol{
			client: web.Plain, claims: func(path string) bool { return path == numbered.Path }, sockets: s,
			connected: func() any { return s.Clients() }, routes: func(*http.ServeMux) {}, keepsAlive: true,
		}
	default:
		return d.selkies1()
	}
}

// selkies1 also ties the knob for the blocked loop to the signaling.
func (d *desktop) selkies1() *protocol {
	s := signaling.NewServer(func(ctx context.Context, h signaling.Hello, send func(signaling.Message) error) (signaling.Session, error) {
		video := h.UID == signaling.BrowserVideo
		return d.app.Open(ctx, h.UID, app.Media{Video: video, Input: video, Audio: !video}, send)
	}, d.marks.log)
	if d.config.blockLoop > 0 {
		d.loop = newLoop(d.config.blockLoop, d.config.firstAsk, s.Present)
		s.Loop = d.loop
	}
	return &protocol{
		client: web.Selkies1, claims: signaling.IsPath, sockets: s,
		connected: func() any {
			return map[string]bool{"video": s.Present(signaling.BrowserVideo), "audio": s.Present(signaling.BrowserAudio)}
		},
		routes: func(mux *http.ServeMux) {
			mux.HandleFunc("/health", health)
			mux.HandleFunc("/turn", d.turn)
		},
	}
}

func (d *desktop) selkies2WebRTC() *protocol {
	s := selkies2.NewServer(func(ctx context.Context, h selkies2.Hello, send func(signaling.Message) error) (signaling.Session, error) {
		return d.app.Open(ctx, h.Type, app.Media{Video: true, Audio: true, Input: h.Type == selkies2.Controller}, send)
	}, d.config.token, d.marks.log)
	d.join = s.Join
	return &protocol{
		client: web.Selkies2WebRTC, claims: selkies2.IsPath,
		sockets: d.whenStarted(s), connected: func() any { return s.Clients() },
		keepsAlive: true, checksOrigin: true, open: selkies2Open,
		routes: func(mux *http.ServeMux) {
			selkies2Routes(mux, "webrtc")
			mux.Handle("/api/turn", d.whenStarted(handled(d.turn)))
			mux.Handle("/api/websockets", inactive("WebSockets"))
			mux.Handle("/api/websockets/", inactive("WebSockets"))
		},
	}
}

func (d *desktop) selkies2WebSockets() *protocol {
	s := d.stream(true)
	return &protocol{
		client: web.Selkies2WebSockets, sockets: d.whenStarted(s), connected: func() any { return s.Clients() },
		keepsAlive: true, checksOrigin: true, open: selkies2Open,
		claims: func(path string) bool { return strings.TrimSuffix(path, "/") == "/api/websockets" },
		routes: func(mux *http.ServeMux) {
			selkies2Routes(mux, "websockets")
			for _, path := range []string{"/api/turn", "/api/webrtc/signaling", "/api/webrtc/signaling/", "/api/ws"} {
				mux.Handle(path, inactive("WebRTC"))
			}
		},
	}
}

// linuxServer takes its socket beside the page, below any folder (SUBFOLDER).
func (d *desktop) linuxServer() *protocol {
	s := d.stream(false)
	return &protocol{
		client: web.LinuxServer, sockets: s, connected: func() any { return s.Clients() }, keepsAlive: true,
		claims: func(path string) bool {
			path = strings.TrimSuffix(path, "/")
			return strings.HasSuffix(path, "/websockets") && path != "/api/websockets"
		},
		routes: func(*http.ServeMux) {},
	}
}

func (d *desktop) stream(guard bool) *wsstream.Server {
	return wsstream.NewServer(wsstream.Options{Media: d.media, Token: d.config.token, Guard: guard, Log: d.marks.log})
}

// selkies2Open need no password in Selkies 2.
var selkies2Open = []string{"/api/health", "/api/status"}

// selkies2Routes are the ones that both modes of Selkies 2 answer.
func selkies2Routes(mux *http.ServeMux, mode string) {
	mux.HandleFunc("/api/health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK"))
	})
	mux.HandleFunc("/api/status", func(w http.ResponseWriter, _ *http.Request) {
		// stream_server.py, _get_status. Both modes are registered, whichever may be used.
		writeJSON(w, map[string]any{"current_mode": mode, "available_modes": []string{"webrtc", "websockets"}, "enable_dual_mode": false})
	})
}

func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("OK\n"))
}

// inactive answers for the mode that Selkies 2 is not in.
func inactive(mode string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, mode+" mode is inactive", http.StatusConflict)
	})
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value)
}
