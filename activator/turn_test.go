package activator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/org/vdi-operator/activator/podapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
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

func TestADesktopGetsATURNCredentialByItsPodsTokenOnly(t *testing.T) {
	g := newGateway(t)
	bob := g.owned.DeepCopy()
	bob.Name = "bob"
	again := g.owned.DeepCopy()
	again.UID = "2"
	for name, tc := range map[string]struct {
		header, token string
		status        int
	}{
		"its pod's token":           {"X-Auth-User", g.sign(token.AudienceTURN, g.owned, 0), 200},
		"a visitor's token":         {"X-Auth-User", g.sign(token.AudienceSession, g.owned, 0), 403},
		"an expired one":            {"X-Auth-User", g.sign(token.AudienceTURN, g.owned, 2*time.Hour), 403},
		"a session's that is gone":  {"X-Auth-User", g.sign(token.AudienceTURN, bob, 0), 403},
		"an earlier session's":      {"X-Auth-User", g.sign(token.AudienceTURN, again, 0), 403},
		"rubbish":                   {"X-Auth-User", "rubbish", 403},
		"nothing":                   {"X-Auth-User", "", 403},
		"the token somewhere else ": {"Authorization", g.sign(token.AudienceTURN, g.owned, 0), 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, podapi.TURNPath+"?service=turn", nil)
			r.Header.Set(tc.header, tc.token)
			w := httptest.NewRecorder()
			g.Internal().ServeHTTP(w, r)
			if w.Code != tc.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, tc.status)
			}
			if tc.status == 200 {
				expectCredential(t, w.Body.String())
			} else if strings.Contains(w.Body.String(), "turn:") {
				t.Errorf("a refusal tells of a server: %s", w.Body)
			}
		})
	}
	for _, at := range []string{"/", "/_vdi/status", "/ws"} {
		w := httptest.NewRecorder()
		g.Internal().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://"+host+at, nil))
		if w.Code != 404 {
			t.Errorf("the internal port answers %s with %d", at, w.Code)
		}
	}
}
