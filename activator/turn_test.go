package activator_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/turn"
)

func expectCredential(t *testing.T, body string) {
	t.Helper()
	var got turn.RTCConfig
	require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	require.Len(t, got.ICEServers, 2, "servers")
	relay := got.ICEServers[1]
	expiry, subject, _ := strings.Cut(relay.Username, ":")
	at, err := strconv.ParseInt(expiry, 10, 64)
	require.NoError(t, err)
	require.Equal(t, "desktops/alice", subject, "user = %q, want it bound to the session", relay.Username)
	assert.Equal(t, turn.Mint([]byte("shared"), subject, time.Unix(at, 0), 0).Password, relay.Credential,
		"coturn would refuse the credential")
	assert.NotContains(t, body, "shared", "the secret is in the answer")
}

func TestAVisitorGetsATURNCredentialThoughTheDesktopSleeps(t *testing.T) {
	g := newGateway(t)
	got := g.do(http.MethodGet, "/turn", g.As(fetching))
	require.Equal(t, 200, got.code, "%v", got.header)
	require.Equal(t, "application/json", got.header.Get("Content-Type"), "%v", got.header)
	assert.Equal(t, "no-store", got.header.Get("Cache-Control"), "%v", got.header)
	expectCredential(t, got.body)
	g.expectNothingWritten()
}

func TestATemplatesICEPolicyReachesItsVisitors(t *testing.T) {
	g := newGateway(t)
	for path, policy := range map[string]v1alpha1.ICEPolicy{"/turn": v1alpha1.ICEPolicyRelay, "/api/turn": v1alpha1.ICEPolicyAll} {
		g.Change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{ICEPolicy: policy} })
		assert.Contains(t, g.do(http.MethodGet, path, g.As(fetching)).body, `"iceTransportPolicy":"`+string(policy)+`"`,
			"%s with policy %s", path, policy)
	}
	g.expectNothingWritten()
}

func TestAnotherDesktopsTURNPathIsItsOwn(t *testing.T) {
	g := newGateway(t)
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolWebSocket}
	})
	g.Wakes(newDesktop(t))
	got := g.do(http.MethodGet, "/turn", g.As(fetching))
	assert.True(t, strings.HasPrefix(got.body, "desktop GET /turn"), "%d %s", got.code, got.body)
}
