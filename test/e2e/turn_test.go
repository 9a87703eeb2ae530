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
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/turn"
	"github.com/org/vdi-operator/test/harness"
)

func TestADesktopThatMayOnlyBeRelayedShowsVideo(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "relayed", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Streaming.ICEPolicy = v1alpha1.ICEPolicyRelay }), nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.WaitFrames(ctx, wantFrames); err != nil {
		t.Fatal(err)
	}
	if pair, err := stream.SelectedCandidatePair(); err != nil || pair.LocalType != "relay" || pair.RemoteType != "relay" {
		t.Errorf("the connection is %+v (%v), want both sides relayed: nobody is relayed to a pod", pair, err)
	}
}

func TestAVisitorsTURNCredentialOpensNoWayIntoTheCluster(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "curious", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	first, second := allocation(ctx, t, visitor), allocation(ctx, t, visitor)

	pods, err := in.Programs(ctx, harness.Activator)
	if err != nil || len(pods) == 0 {
		t.Fatalf("%d activators: %v", len(pods), err)
	}
	var api corev1.Service
	if err := in.Client.Get(ctx, types.NamespacedName{Namespace: "default", Name: "kubernetes"}, &api); err != nil {
		t.Fatal(err)
	}
	for what, address := range map[string]string{"an activator's pod": pods[0].Status.PodIP, "the API server's Service": api.Spec.ClusterIP,
		"cloud metadata": "169.254.169.254", "the node's loopback": "127.0.0.1"} {
		_, err := first.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 8080)))
		if err == nil || !strings.Contains(err.Error(), "error 403") {
			t.Errorf("%s at %s: %v, want a refusal with 403", what, address, err)
		}
	}

	// What browsers and desktops do: meet.
	if _, err := second.WriteTo([]byte("permit"), first.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	err = harness.Eventually(ctx, "a message from one allocation to the other", func() error {
		if _, err := first.WriteTo([]byte("x"), second.LocalAddr()); err != nil {
			return err
		}
		_ = second.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := second.ReadFrom(buffer)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// allocation is one on the chart's TURN server, with what the session's page is told.
func allocation(ctx context.Context, t *testing.T, visitor *harness.Visitor) net.PacketConn {
	t.Helper()
	resp, body, err := visitor.Get(ctx, "/turn", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/turn: %v %s", err, body)
	}
	var c turn.RTCConfig
	if err := json.Unmarshal(body, &c); err != nil || len(c.ICEServers) < 2 {
		t.Fatalf("/turn: %v: %s", err, body)
	}
	server := c.ICEServers[1]
	at, _, _ := strings.Cut(strings.TrimPrefix(server.URLs[0], "turn:"), "?")
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	client, err := pion.NewClient(&pion.ClientConfig{STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: server.Username, Password: server.Credential, LoggerFactory: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); _ = conn.Close() })
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	return relay
}
