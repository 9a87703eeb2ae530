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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

var html = http.Header{"Accept": {"text/html"}}

func TestAnUnknownHostNamesNoSession(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	v, err := in.Anybody("http://nobody--" + namespace + ".localhost:8080/")
	require.NoError(t, err)
	resp, body, err := v.Get(ctx, "/", html)
	require.NoError(t, err)
	if in.SignsIn() { // as to a host that a session has
		require.Equal(t, http.StatusSeeOther, resp.StatusCode)
		assert.True(t, strings.HasPrefix(resp.Header.Get("Location"), harness.PortalURL+"open/"+namespace+"/nobody?"), resp.Header.Get("Location"))
	} else {
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
	}
	assert.NotContains(t, string(body), namespace, "an unknown host answered %s: %s", resp.Status, body)
}

func TestNobodyWakesADesktopWithoutAGoodToken(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	key := session(ctx, t, "locked", tpl, nil)
	other := session(ctx, t, "other", tpl, nil)
	s, err := in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	foreign := invited(ctx, t, other)
	short, err := in.Link(ctx, key, time.Second)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		query  string
		header http.Header
		// status is where nobody can sign in; signsIn says that who can is sent there.
		status  int
		signsIn bool
	}{
		"no token":        {"", nil, http.StatusUnauthorized, true},
		"not a token":     {"?vdi_token=nonsense", nil, http.StatusUnauthorized, false},
		"another's token": {"", foreign.Header(), http.StatusForbidden, true},
	} {
		v, err := in.Anybody(s.Status.URL)
		require.NoError(t, err)
		header := html.Clone()
		for k, values := range c.header {
			header[k] = values
		}
		resp, body, err := v.Get(ctx, "/"+c.query, header)
		require.NoError(t, err, name)
		if c.signsIn && in.SignsIn() {
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode, "%s: %v", name, resp)
			assert.True(t, strings.HasPrefix(resp.Header.Get("Location"), harness.PortalURL+"open/"), "%s: it leads to %s", name, resp.Header.Get("Location"))
		} else {
			assert.Equal(t, c.status, resp.StatusCode, "%s: %v", name, resp)
			assert.Contains(t, string(body), "<h1>", "%s: the answer is no page for a person: %s", name, body)
		}
		_, resp, err = v.WebSocket(ctx, "/webrtc/signalling/")
		require.Error(t, err, name)
		require.NotNil(t, resp, name)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode,
			"%s: a WebSocket without a token got %v (%v), want 401", name, resp, err)
	}
	err = eventually.Wait(ctx, "a link of one second to expire", func() error {
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
	assert.NoError(t, err)
	s, err = in.Session(ctx, key, "still asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	assert.Nil(t, s.Status.Activity, "a refused visitor left activity")
	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	assert.Empty(t, pods, "a refused visitor woke the desktop: pods")
}

func TestAnImpossibleTemplateIsExplainedOnThePageAndEndsTheHold(t *testing.T) {
	t.Parallel()
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
				s.Lifecycle.StartupTimeout = clock(30 * time.Second)
			}), nil)
			visitor := invited(ctx, t, key)
			ws, _, err := visitor.WebSocket(ctx, "/webrtc/signalling/")
			require.NoError(t, err)
			defer func() { _ = ws.Close() }()
			require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("HELLO 1 e30=")))
			err = eventually.Wait(ctx, "the page to say what is wrong", func() error {
				status, err := visitor.Status(ctx)
				if err == nil && !strings.Contains(status.Message, c.says) {
					err = errors.New(status.Message)
				}
				return err
			})
			require.NoError(t, err)
			closed := readClose(ctx, t, ws)
			require.Equal(t, closing.StartFailed.Code, closed.Code)
			assert.Contains(t, closed.Text, "did not start",
				"the held connection was closed with %d %q, want %d and why", closed.Code, closed.Text, closing.StartFailed.Code)
			s, err := in.Session(ctx, key, "failed", harness.InPhase(v1alpha1.PhaseFailed))
			require.NoError(t, err)
			assert.Contains(t, s.Status.Message, c.says, "the failed session")
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
	require.NoError(t, err)
	defer good.Close()
	for name, c := range map[string]struct {
		message string
		code    int
	}{
		"not a HELLO": {"GOODBYE 1", websocket.CloseProtocolError},
		"oversized":   {"HELLO 1 " + strings.Repeat("A", 1<<20), websocket.CloseMessageTooBig},
	} {
		bad, _, err := visitor.WebSocket(ctx, "/webrtc/signalling/")
		require.NoError(t, err)
		// The write itself may meet the closed connection already.
		_ = bad.WriteMessage(websocket.TextMessage, []byte(c.message))
		closed := readClose(ctx, t, bad)
		require.Equal(t, c.code, closed.Code, name)
		assert.NotEmpty(t, closed.Text, "%s: closed with %d %q, want %d and a reason", name, closed.Code, closed.Text, c.code)
		_ = bad.Close()
	}
	assert.NoError(t, good.WaitFrames(ctx, 1), "the good connection suffered")
}

// readClose reads until the close frame.
func readClose(ctx context.Context, t *testing.T, ws *websocket.Conn) *websocket.CloseError {
	t.Helper()
	deadline, _ := ctx.Deadline()
	_ = ws.SetReadDeadline(deadline)
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			require.ErrorAs(t, err, &closed, "the connection ended without a close frame")
			return closed
		}
	}
}
