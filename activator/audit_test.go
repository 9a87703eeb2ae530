package activator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
)

func TestTheAuditHearsOfSomebodysFirstConnectionAndOfTheirLast(t *testing.T) {
	var lines bytes.Buffer
	s := &Server{Options: Options{Audit: audit.New(&lines, true)}}
	desk := &v1alpha1.VDISession{}
	desk.Name, desk.UID, desk.Spec.User = "ada", "1", "ada@example.com"
	ada := auth.Visitor{User: "ada@example.com", By: auth.BySignIn, Roles: []access.Role{access.Owner}}
	bob := auth.Visitor{User: "bob@example.com", By: auth.BySignIn, Roles: []access.Role{access.Viewer, access.Controller}}
	first := s.attends(desk, ada, "192.0.2.1")
	second := s.attends(desk, ada, "192.0.2.1")
	bobs := s.attends(desk, bob, "")
	first()
	bobs()
	second()
	var said []string
	for line := range bytes.Lines(lines.Bytes()) {
		var e map[string]any
		require.NoError(t, json.Unmarshal(line, &e))
		assert.Equal(t, "ada@example.com", e["owner"])
		assert.Equal(t, "sign_in", e["via"])
		said = append(said, fmt.Sprint(e["event"], " ", e["user"], " ", e["role"]))
	}
	assert.Equal(t, []string{"attach ada@example.com Owner", "attach bob@example.com Controller", "detach bob@example.com Controller",
		"detach ada@example.com Owner"}, said)
	assert.Empty(t, s.attendance.open)
}

func TestTheAuditHearsOnceWhoWakesADesktop(t *testing.T) {
	g := newGateway(t)
	var mu sync.Mutex
	var told bytes.Buffer // guarded by mu
	g.Audit = audit.New(lockedWriter{&mu, &told}, true)
	wakes := func() (all []map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		for line := range bytes.Lines(told.Bytes()) {
			var e map[string]any
			require.NoError(t, json.Unmarshal(line, &e))
			if e["event"] == "wake" {
				delete(e, "time")
				all = append(all, e)
			}
		}
		return all
	}
	guest := func() http.Header {
		_, grant := g.shares(v1alpha1.ShareViewer, 0)
		return with(g.visiting(navigating, "share/guest", grant), "X-Forwarded-For", "198.51.100.2")
	}()
	g.do(http.MethodGet, "/", guest)
	g.do(http.MethodGet, "/", with(navigating, "X-Forwarded-For", "192.0.2.9"))
	require.Empty(t, wakes(), "neither wakes it")
	for range 3 {
		g.do(http.MethodGet, "/", with(g.as(navigating), "X-Forwarded-For", "192.0.2.7"))
	}
	want := map[string]any{"audit": "v1", "event": "wake", "user": "alice@example.com", "via": "link",
		"session": "alice", "namespace": "desktops", "uid": "1",
		"owner": "alice@example.com", "role": "Owner", "from": "192.0.2.7"}
	require.Equal(t, []map[string]any{want}, wakes())
	now := metav1.NowMicro()
	g.change(func(s *v1alpha1.VDISession) { s.Status.StartTime = &now })
	g.do(http.MethodGet, "/", g.as(navigating))
	require.Len(t, wakes(), 1, "it is awake")
	g.change(func(s *v1alpha1.VDISession) { s.Status.StartTime, s.Status.SleepTime = nil, &now })
	g.do(http.MethodGet, "/", g.as(navigating))
	require.Len(t, wakes(), 2, "from another sleep")
	g.change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	g.do(http.MethodGet, "/", g.as(navigating))
	require.Len(t, wakes(), 2, "nobody wakes what is switched off")
}
