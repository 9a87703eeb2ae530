package activator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
)

func TestTheAuditHearsOnceWhoWakesADesktop(t *testing.T) {
	g := newGateway(t)
	var told gatewaytest.Buffer
	g.Audit = audit.New(&told, true)
	wakes := func() (all []map[string]any) {
		for line := range strings.Lines(told.String()) {
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &e))
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
		g.do(http.MethodGet, "/", with(g.As(navigating), "X-Forwarded-For", "192.0.2.7"))
	}
	want := map[string]any{"audit": "v1", "event": "wake", "user": "alice@example.com", "via": "link",
		"session": "alice", "namespace": "desktops", "uid": "1",
		"owner": "alice@example.com", "role": "Owner", "from": "192.0.2.7"}
	require.Equal(t, []map[string]any{want}, wakes())
	now := metav1.NowMicro()
	g.Change(func(s *v1alpha1.VDISession) { s.Status.StartTime = &now })
	g.do(http.MethodGet, "/", g.As(navigating))
	require.Len(t, wakes(), 1, "it is awake")
	g.Change(func(s *v1alpha1.VDISession) { s.Status.StartTime, s.Status.SleepTime = nil, &now })
	g.do(http.MethodGet, "/", g.As(navigating))
	require.Len(t, wakes(), 2, "from another sleep")
	g.Change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff })
	g.do(http.MethodGet, "/", g.As(navigating))
	require.Len(t, wakes(), 2, "nobody wakes what is switched off")
}
