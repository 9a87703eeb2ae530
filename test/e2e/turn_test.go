//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/turn"
	"github.com/org/vdi-operator/test/harness"
)

func TestADesktopThatMayOnlyBeRelayedShowsVideo(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "relayed", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Streaming.ICEPolicy = v1alpha1.ICEPolicyRelay }), nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))
	pair, err := stream.SelectedCandidatePair()
	require.NoError(t, err)
	require.Equal(t, "relay", pair.LocalType)
	assert.Equal(t, "relay", pair.RemoteType, "the connection is %+v, want both sides relayed: nobody is relayed to a pod", pair)
}

func TestAVisitorsTURNCredentialOpensNoWayIntoTheCluster(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "curious", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	first, second := allocation(ctx, t, visitor), allocation(ctx, t, visitor)

	pods, err := in.Programs(ctx, harness.Activator)
	require.NoError(t, err)
	require.NotEmpty(t, pods, "activators")
	var api corev1.Service
	require.NoError(t, in.Client.Get(ctx, types.NamespacedName{Namespace: "default", Name: "kubernetes"}, &api))
	for what, address := range map[string]string{"an activator's pod": pods[0].Status.PodIP, "the API server's Service": api.Spec.ClusterIP,
		"cloud metadata": "169.254.169.254", "the node's loopback": "127.0.0.1"} {
		_, err := first.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 8080)))
		assert.ErrorContains(t, err, "error 403", "%s at %s, want a refusal with 403", what, address)
	}

	// What browsers and desktops do: meet.
	_, err = second.WriteTo([]byte("permit"), first.LocalAddr())
	require.NoError(t, err)
	buffer := make([]byte, 100)
	err = eventually.Wait(ctx, "a message from one allocation to the other", func() error {
		if _, err := first.WriteTo([]byte("x"), second.LocalAddr()); err != nil {
			return err
		}
		_ = second.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := second.ReadFrom(buffer)
		return err
	})
	assert.NoError(t, err)
}

// allocation is one on the chart's TURN server, with what the session's page is told.
func allocation(ctx context.Context, t *testing.T, visitor *harness.Visitor) net.PacketConn {
	t.Helper()
	resp, body, err := visitor.Get(ctx, "/turn", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "/turn: %s", body)
	var c turn.RTCConfig
	require.NoError(t, json.Unmarshal(body, &c))
	require.GreaterOrEqual(t, len(c.ICEServers), 2, "/turn: %s", body)
	server := c.ICEServers[1]
	at, _, _ := strings.Cut(strings.TrimPrefix(server.URLs[0], "turn:"), "?")
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	require.NoError(t, err)
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	client, err := pion.NewClient(&pion.ClientConfig{STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: server.Username, Password: server.Credential, LoggerFactory: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); _ = conn.Close() })
	require.NoError(t, client.Listen())
	relay, err := client.Allocate()
	require.NoError(t, err, at)
	t.Cleanup(func() { _ = relay.Close() })
	return relay
}
