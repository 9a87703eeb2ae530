package activator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/turn"
)

func expectCredential(t *testing.T, body string) {
	t.Helper()
	var got turn.RTCConfig
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(got.ICEServers) != 2 {
		t.Fatalf("servers = %+v", got.ICEServers)
	}
	relay := got.ICEServers[1]
	expiry, subject, _ := strings.Cut(relay.Username, ":")
	at, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || subject != "desktops/alice" {
		t.Fatalf("user = %q, want it bound to the session", relay.Username)
	}
	if want := turn.Mint([]byte("shared"), subject, time.Unix(at, 0), 0); relay.Credential != want.Password {
		t.Error("coturn would refuse the credential")
	}
	if strings.Contains(body, "shared") {
		t.Error("the secret is in the answer")
	}
}

func TestAVisitorGetsATURNCredentialThoughTheDesktopSleeps(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, "/turn", g.as(fetching))
	if got.code != 200 || got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", got.code, got.header)
	}
	expectCredential(t, got.body)
	g.expectNothingWritten()
}

func TestATemplatesICEPolicyReachesItsVisitors(t *testing.T) {
	g := newGateway(t)
	for path, policy := range map[string]v1alpha1.ICEPolicy{"/turn": v1alpha1.ICEPolicyRelay, "/api/turn": v1alpha1.ICEPolicyAll} {
		g.change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{ICEPolicy: policy} })
		if got := g.do(http.MethodGet, path, g.as(fetching)); !strings.Contains(got.body, `"iceTransportPolicy":"`+string(policy)+`"`) {
			t.Errorf("%s with policy %s: %s", path, policy, got.body)
		}
	}
	g.expectNothingWritten()
}

func TestAnotherDesktopsTURNPathIsItsOwn(t *testing.T) {
	g := newGateway(t)
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolWebSocket}
	})
	g.wakes(newDesktop(t))
	if got := g.do(http.MethodGet, "/turn", g.as(fetching)); !strings.HasPrefix(got.body, "desktop GET /turn") {
		t.Errorf("%d %s", got.code, got.body)
	}
}
