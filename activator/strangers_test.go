package activator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// stuck is a desktop that accepts and answers nothing until the test ends, or part of a body
// and then nothing.
func stuck(t *testing.T, begins bool) *httptest.Server {
	end := make(chan struct{})
	d := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if begins {
			_, _ = io.WriteString(w, "so far")
			w.(http.Flusher).Flush()
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(d.Close)
	t.Cleanup(func() { close(end) })
	return d
}

func TestLiveRequestsAreCountedAndWaitOnlySoLongForAnAnswer(t *testing.T) {
	g := newGateway(t, func(c *config.Config) {
		c.Limits.LiveRequestsPerSession = 3
		c.Limits.HoldHTTP.Duration = time.Second
	})
	g.Wakes(stuck(t, false))
	codes := make(chan int, 10)
	for range 4 {
		go func() { codes <- g.do(http.MethodGet, "/file", g.As(noBrowser)).code }()
	}
	for range 4 {
		if code := <-codes; code != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503", code)
		}
	}
	g.ExpectRefusals(closing.LiveRequestsPerSession, 1)
	g.ExpectRefusals(closing.HoldTimeout, 3)
}

func TestWhatIsOpenOfASessionEndsWithIt(t *testing.T) {
	for what, ends := range map[string]func(*gateway){
		"deleted":      func(g *gateway) { g.Directory.DropSession(alice) },
		"switched off": func(g *gateway) { g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff }) },
	} {
		t.Run(what, func(t *testing.T) {
			g := newGateway(t)
			g.Wakes(stuck(t, true))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Front.URL+"/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host, req.Header = host, g.As(noBrowser)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			ends(g) // its pod goes on
			body, err := io.ReadAll(resp.Body)
			if err == nil || string(body) != "so far" {
				t.Errorf("the stream went on to %q, %v", body, err)
			}
		})
		t.Run(what+" with a WebSocket", func(t *testing.T) {
			g := newGateway(t)
			desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					return
				}
				defer func() { _ = ws.Close() }()
				_ = ws.WriteMessage(websocket.TextMessage, []byte("hello"))
				_, _, _ = ws.ReadMessage()
			}))
			t.Cleanup(desktop.Close)
			g.Wakes(desktop)
			ws := g.dial("/websockify", g.As(noBrowser))
			if _, _, err := ws.ReadMessage(); err != nil {
				t.Fatal(err)
			}
			ends(g)
			_ = ws.SetReadDeadline(time.Now().Add(enough))
			_, _, err := ws.ReadMessage()
			if !websocket.IsCloseError(err, 4403, 4404) {
				t.Errorf("the WebSocket ended with %v", err)
			}
		})
	}
}

func TestADesktopsCookiesComeBackToItAloneAndNobodyElses(t *testing.T) {
	g := newGateway(t)
	got := make(chan string, 2)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- strings.Join(r.Header.Values("Cookie"), "; ")
		http.SetCookie(w, &http.Cookie{Name: "login", Value: "1", HttpOnly: true, Domain: "vdi.localhost"})
		http.SetCookie(w, &http.Cookie{Name: "vdi-session", Value: "gone", MaxAge: -1})
	}))
	t.Cleanup(desktop.Close)
	g.Wakes(desktop)
	first := g.do(http.MethodGet, "/login", g.As(noBrowser))
	set := first.header.Values("Set-Cookie")
	if len(set) != 1 || !strings.HasPrefix(set[0], "vdi-desktop.login=1") || strings.Contains(set[0], "Domain") {
		t.Fatalf("the visitor's browser is to keep %q", set)
	}
	if cookies := <-got; cookies != "" {
		t.Errorf("the desktop got %q", cookies)
	}
	h := g.As(noBrowser)
	h.Set("Cookie", h.Get("Cookie")+"; _oauth2_proxy=secret; vdi-desktop.login=1")
	g.do(http.MethodGet, "/login", h)
	if cookies := <-got; cookies != "login=1" {
		t.Errorf("the desktop got %q", cookies)
	}
}
