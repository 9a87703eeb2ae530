//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

var html = http.Header{"Accept": {"text/html"}}

func TestAnUnknownHostNamesNoSession(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	v, err := in.Anybody("http://nobody--" + namespace + ".localhost:8080/")
	if err != nil {
		t.Fatal(err)
	}
	resp, body, err := v.Get(ctx, "/", html)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusNotFound || strings.Contains(string(body), namespace) {
		t.Errorf("an unknown host answered %s: %s", resp.Status, body)
	}
}

func TestNobodyWakesADesktopWithoutAGoodToken(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	key := session(ctx, t, "locked", tpl, nil)
	other := session(ctx, t, "other", tpl, nil)
	s, err := in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	if err != nil {
		t.Fatal(err)
	}
	foreign := invited(ctx, t, other)
	short, err := in.Link(ctx, key, time.Second)
	if err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"no token":        {"", nil, http.StatusUnauthorized},
		"not a token":     {"?vdi_token=nonsense", nil, http.StatusUnauthorized},
		"another's token": {"", foreign.Header(), http.StatusForbidden},
	} {
		v, err := in.Anybody(s.Status.URL)
		if err != nil {
			t.Fatal(err)
		}
		header := html.Clone()
		for k, values := range c.header {
			header[k] = values
		}
		resp, body, err := v.Get(ctx, "/"+c.query, header)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %v %v, want %d", name, resp, err, c.status)
		}
		if !strings.Contains(string(body), "<h1>") {
			t.Errorf("%s: the answer is no page for a person: %s", name, body)
		}
		_, resp, err = v.WebSocket(ctx, "/webrtc/signalling/")
		if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: a WebSocket without a token got %v (%v), want 401", name, resp, err)
		}
	}
	err = harness.Eventually(ctx, "a link of one second to expire", func() error {
		v, err := in.Anybody(short)
		if err != nil {
			return err
		}
		resp, body, err := v.Get(ctx, v.URL.RequestURI(), html)
		if err == nil && (resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "expired")) {
			err = errors.New(resp.Status)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if s, err = in.Session(ctx, key, "still asleep", harness.InPhase(v1alpha1.PhaseAsleep)); err != nil || s.Status.Activity != nil {
		t.Errorf("a refused visitor left activity %+v (%v)", s.Status.Activity, err)
	}
	if pods, err := in.Pods(ctx, s); err != nil || len(pods) != 0 {
		t.Errorf("a refused visitor woke the desktop: %d pods (%v)", len(pods), err)
	}
}

func TestAnImpossibleTemplateIsExplainedOnThePageAndEndsTheHold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.VDITemplateSpec)
		says   string
	}{
		"noimage": {func(s *v1alpha1.VDITemplateSpec) { s.Image = "dev.local/there-is-no-such-image:1" }, "there-is-no-such-image"},
		"nomemory": {func(s *v1alpha1.VDITemplateSpec) {
			s.Resources.DefaultMemory = ptr(resource.MustParse("500Ti"))
		}, "Insufficient memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := story(t)
			key := session(ctx, t, name, template(t, func(s *v1alpha1.VDITemplateSpec) {
				c.change(s)
				s.Lifecycle.StartupTimeout = clock(15 * time.Second)
			}), nil)
			visitor := invited(ctx, t, key)
			ws, _, err := visitor.WebSocket(ctx, "/webrtc/signalling/")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ws.Close() }()
			if err := ws.WriteMessage(websocket.TextMessage, []byte("HELLO 1 e30=")); err != nil {
				t.Fatal(err)
			}
			err = harness.Eventually(ctx, "the page to say what is wrong", func() error {
				status, err := visitor.Status(ctx)
				if err == nil && !strings.Contains(status.Message, c.says) {
					err = errors.New(status.Message)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			closed := readClose(ctx, t, ws)
			if closed.Code != closing.StartFailed.Code || !strings.Contains(closed.Text, "did not start") {
				t.Errorf("the held connection was closed with %d %q, want %d and why", closed.Code, closed.Text, closing.StartFailed.Code)
			}
			s, err := in.Session(ctx, key, "failed", harness.InPhase(v1alpha1.PhaseFailed))
			if err != nil || !strings.Contains(s.Status.Message, c.says) {
				t.Errorf("the failed session says %q (%v)", s.Status.Message, err)
			}
			t.Logf("the session says: %s", s.Status.Message)
		})
	}
}

func TestAMalformedFirstMessageEndsItsOwnConnectionOnly(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "malformed", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	good, err := visitor.View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	for name, c := range map[string]struct {
		message string
		code    int
	}{
		"not a HELLO": {"GOODBYE 1", websocket.CloseProtocolError},
		"oversized":   {"HELLO 1 " + strings.Repeat("A", 1<<20), websocket.CloseMessageTooBig},
	} {
		bad, _, err := visitor.WebSocket(ctx, "/webrtc/signalling/")
		if err != nil {
			t.Fatal(err)
		}
		// The write itself may meet the closed connection already.
		_ = bad.WriteMessage(websocket.TextMessage, []byte(c.message))
		if closed := readClose(ctx, t, bad); closed.Code != c.code || closed.Text == "" {
			t.Errorf("%s: closed with %d %q, want %d and a reason", name, closed.Code, closed.Text, c.code)
		}
		_ = bad.Close()
	}
	if err := good.WaitFrames(ctx, 1); err != nil {
		t.Errorf("the good connection suffered: %v", err)
	}
}

// readClose reads until the close frame.
func readClose(ctx context.Context, t *testing.T, ws *websocket.Conn) *websocket.CloseError {
	t.Helper()
	deadline, _ := ctx.Deadline()
	_ = ws.SetReadDeadline(deadline)
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			if !errors.As(err, &closed) {
				t.Fatalf("the connection ended without a close frame: %v", err)
			}
			return closed
		}
	}
}
