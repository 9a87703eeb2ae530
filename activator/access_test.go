package activator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/eventually"
)

func (g *gateway) under(p *v1alpha1.AccessPolicy) {
	g.Change(func(s *v1alpha1.VDISession) { s.Status.Access = p })
}

func TestOfAStreamOnlyWhatTheTemplatesPolicyAllowsPasses(t *testing.T) {
	for _, path := range []string{"/api/websockets", "/websockets"} {
		g := newGateway(t)
		g.under(&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardFromDesktop})
		g.Wakes(newDesktop(t))
		ws := g.dial(path, g.As(fromPage))
		say(t, ws, "cr")
		expectEcho(t, ws, "cr") // it is live: a client that is held may say nothing that long
		for _, m := range []string{"cw,aGk=", "cws,2", "kd,65", "cw," + strings.Repeat("a", 1<<20), "ku,65"} {
			say(t, ws, m)
		}
		for _, m := range []string{"kd,65", "ku,65"} {
			expectEcho(t, ws, m)
		}
		assert.EqualValues(t, 3, testutil.ToFloat64(g.Metrics.WithheldToDesktop), path)
	}
}

// passed is 200 for whatever the desktop answers: this one redirects to clean paths.
func passed(a answer) int {
	if a.code == http.StatusTemporaryRedirect {
		return http.StatusOK
	}
	return a.code
}

func TestFilesPassAsTheTemplatesPolicyAllows(t *testing.T) {
	for name, tc := range map[string]struct {
		policy         *v1alpha1.AccessPolicy
		upload, listed int
	}{
		"no policy": {nil, 200, 200},
		"Both":      {&v1alpha1.AccessPolicy{Files: v1alpha1.FilesBoth, Clipboard: v1alpha1.ClipboardNone}, 200, 200},
		"Upload":    {&v1alpha1.AccessPolicy{Files: v1alpha1.FilesUpload}, 200, 403},
		"Download":  {&v1alpha1.AccessPolicy{Files: v1alpha1.FilesDownload}, 403, 200},
		"None":      {&v1alpha1.AccessPolicy{Files: v1alpha1.FilesNone}, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.under(tc.policy)
			g.Wakes(newDesktop(t))
			for _, path := range []string{"/api/upload", "/x/api/upload", "//api/upload", "/api/x/../upload"} {
				assert.Equal(t, tc.upload, passed(g.do(http.MethodPost, path, g.As(fromPage))), path)
			}
			for _, path := range []string{"/files", "/files/", "/files/a.txt", "//files/a.txt", "/x/../files/a.txt", "/files../a.txt", "/%66iles/a.txt",
				"/api/files/", "/api/files/a.txt"} {
				assert.Equal(t, tc.listed, passed(g.do(http.MethodGet, path, g.As(fetching))), path)
			}
			assert.Equal(t, 200, g.do(http.MethodGet, "/index.js", g.As(fetching)).code)
		})
	}
}

func TestTheAuditHearsWhoTriesWhatAPolicyKeepsBackAndNotOfEachTry(t *testing.T) {
	g := newGateway(t)
	var told gatewaytest.Buffer
	g.Audit = audit.New(&told, true)
	reasons := func() (all []string) {
		for line := range strings.Lines(told.String()) {
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			if e["event"] == "refused" {
				assert.Equal(t, "alice@example.com", e["user"])
				all = append(all, e["reason"].(string))
			}
		}
		return all
	}
	// It waits for the desktop, and the policy comes with that.
	answers := make(chan answer, 1)
	go func() { answers <- g.do(http.MethodGet, "/api/files/a.txt", g.As(http.Header{})) }()
	eventually.Equal(t, "it is held", 1.0, func() float64 { return testutil.ToFloat64(g.Metrics.Held) })
	g.under(&v1alpha1.AccessPolicy{Files: v1alpha1.FilesNone})
	g.Wakes(newDesktop(t))
	require.Equal(t, http.StatusForbidden, (<-answers).code)
	assert.Equal(t, []string{"access_files"}, reasons())
	assert.Equal(t, http.StatusForbidden, g.do(http.MethodPost, "/api/upload", g.As(fromPage)).code)
	assert.Equal(t, []string{"access_files", "access_files"}, reasons())

	ws := g.dial("/websockets", g.As(fromPage))
	for range 100 {
		say(t, ws, "FILE_UPLOAD_START:a.txt:1")
	}
	say(t, ws, "kd,65")
	expectEcho(t, ws, "kd,65")
	assert.Equal(t, []string{"access_files", "access_files", "access_withheld"}, reasons(), "once a connection")
	for range 100 {
		g.do(http.MethodGet, "/files/a.txt", g.As(fetching))
	}
	assert.LessOrEqual(t, len(reasons()), activator.OverreachesAtOnce+overreachesLater, "lines of a session are bounded")
}

// overreachesLater are lines that a slow machine may have room for while the test runs.
const overreachesLater = 10

func TestUnderAPolicyAWebSocketPassesOnlyWhereSomethingCanBeKeptBack(t *testing.T) {
	g := newGateway(t)
	g.under(&v1alpha1.AccessPolicy{Files: v1alpha1.FilesNone})
	g.Wakes(newDesktop(t))
	assert.Equal(t, http.StatusForbidden, g.upgrade("/websocket", g.As(fromPage)).StatusCode)
	g.ExpectRefusals(closing.AccessProtocol, 1)
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolWebSocket}
	})
	ws := g.dial("/websocket", g.As(fromPage))
	say(t, ws, "hi")
	expectEcho(t, ws, "hi") // the session says that nothing is enforced
}

func TestAConnectionFromBeforeAPolicyBeginsAnewUnderIt(t *testing.T) {
	g := newGateway(t)
	held := g.dial("/api/websockets", g.As(fromPage))
	say(t, held, "cw,aGk=")
	g.under(&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone})
	expectClosed(t, held, websocket.CloseServiceRestart, "")
	g.ExpectRefusals(closing.AccessChanged, 1)
}

func TestARequestThatWaitsIsHeldToThePolicyThatTheDesktopWakesWith(t *testing.T) {
	g := newGateway(t)
	answers := make(chan answer, 1)
	go func() { answers <- g.do(http.MethodGet, "/api/files/a.txt", g.As(http.Header{})) }()
	eventually.Equal(t, "it is held", 1.0, func() float64 { return testutil.ToFloat64(g.Metrics.Held) })
	g.under(&v1alpha1.AccessPolicy{Files: v1alpha1.FilesNone})
	g.Wakes(newDesktop(t))
	got := <-answers
	require.Equal(t, http.StatusForbidden, got.code, got.body)
}
