//go:build coturn

package coturn

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/coturn"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/turn"
)

func TestBrowserAndDesktopMeetOnTheRelayByEveryTransport(t *testing.T) {
	s := start(t, nil)
	for _, by := range []string{byUDP, byTCP, byTLS} {
		t.Run(by, func(t *testing.T) {
			s := s.in(t)
			browser := s.dial(by, credential(secret, "desktops/alice", time.Hour)).allocate()
			desktop := s.dial(byUDP, credential(secret, "desktops/alice", time.Hour)).allocate()
			exchange(t, browser, desktop)
			if at := address(t, browser); at.Addr() != serverIPv4 || at.Port() < 49160 || at.Port() > 49179 {
				t.Errorf("the allocation is at %s, want the server's address and a port of the range", at)
			}
		})
	}
	s.expectMetric("vdi_turn_allocations_opened_total", 6)
	s.expectMetric(`vdi_turn_relayed_bytes_total{direction="to_peers"}`, 6*14)
	s.expectMetric(`vdi_turn_relayed_bytes_total{direction="from_peers"}`, 6*14)
	s.expectMetric("vdi_turn_relay_ports", 20)
	s.expectMetric("vdi_turn_up", 1)
	eventually.NoError(s.t, "no allocation is open any more", func() error {
		open, err := s.metric("vdi_turn_allocations")
		if err == nil && open != 0 {
			err = fmt.Errorf("%v are", open)
		}
		return err
	})
	s.expectDiscreetLog()
}

func TestNobodyReachesTheClusterThroughTheServer(t *testing.T) {
	s := start(t, nil)
	browser := s.dial(byUDP, credential(secret, "desktops/alice", time.Hour))
	relay := browser.allocate()
	for what, peer := range map[string]string{
		"metadata": "169.254.169.254:80", "a pod": "10.244.1.7:8080", "a service": "10.96.0.1:443", "another node": "192.168.1.10:10250",
		"another private address": "172.16.3.4:22", "carrier-grade NAT": "100.64.0.1:53", "this machine": "127.0.0.1:9641", "this network": "0.0.0.1:9",
		"many": "224.0.0.251:5353", "all": "255.255.255.255:67", "the other end of the node's link": "198.18.77.2:53", "documentation": "203.0.113.5:1",
	} {
		_, err := relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(peer)))
		t.Log(what)
		expectRefusal(t, err, 403)
	}
	_, err := relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("8.8.8.8:53")))
	assert.NoError(t, err, "a browser's public address, want permission")
	s.expectMetric(`vdi_turn_refusals_total{reason="denied_peer"}`, 12)

	// kubelet, the API server and the nodes' programs listen by TCP, which is not relayed.
	_, err = s.dial(byTCP, credential(secret, "desktops/alice", time.Hour)).AllocateTCP()
	assert.Error(t, err, "TCP is relayed")
}

func TestAnAdministratorMayOpenTheDesktopsNetwork(t *testing.T) {
	s := start(t, func(c *coturn.Config) { c.AllowedPeers = []string{"10.244.0.0/16"} })
	relay := s.dial(byUDP, credential(secret, "desktops/alice", time.Hour)).allocate()
	if _, err := relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.244.1.7:8080"))); err != nil {
		t.Errorf("an allowed network: %v, want permission", err)
	}
	_, err := relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.96.0.1:443")))
	expectRefusal(t, err, 403)
}

func TestOnlyCurrentCredentialsOfTheSecretAreTaken(t *testing.T) {
	s := start(t, func(c *coturn.Config) { c.Quota.PerUser = 2 })
	s.dial(byUDP, credential("another secret", "desktops/alice", time.Hour)).refusedAllocation(401)
	s.dial(byTCP, credential(secret, "desktops/alice", -time.Minute)).refusedAllocation(401)
	s.dial(byUDP, turn.Credential{Username: "alice", Password: secret}).refusedAllocation(401)
	s.dial(byTLS, credential(secret, "desktops/alice", time.Hour)).allocate()
	s.dial(byUDP, credential(secret, "desktops/alice", 2*time.Hour)).allocate()
	// The quota is the session's, whatever its credentials' expiry.
	s.dial(byUDP, credential(secret, "desktops/alice", 3*time.Hour)).refusedAllocation(486)
	s.dial(byUDP, credential(secret, "desktops/bob", time.Hour)).allocate()
	s.expectMetric(`vdi_turn_refusals_total{reason="credential"}`, 3)
	s.expectMetric(`vdi_turn_refusals_total{reason="quota"}`, 1)
	s.expectDiscreetLog()
}

func TestWhenThePortsAreOutItSaysSo(t *testing.T) {
	s := start(t, nil)
	for i := range 20 {
		s.dial(byUDP, credential(secret, "desktops/"+strconv.Itoa(i), time.Hour)).allocate()
	}
	s.dial(byUDP, credential(secret, "desktops/alice", time.Hour)).refusedAllocation(508)
	s.expectMetric(`vdi_turn_refusals_total{reason="no_port"}`, 1)
	s.expectMetric("vdi_turn_relay_ports_used", 20)
	s.expectMetric("vdi_turn_allocations", 20)
}

func TestANewSecretIsTakenWithoutCuttingAnybody(t *testing.T) {
	s := start(t, func(c *coturn.Config) { c.SecretOverlap = metav1.Duration{Duration: time.Second} })
	old, next := credential(secret, "desktops/alice", time.Hour), credential("the second secret", "desktops/alice", time.Hour)
	browser, desktop := s.dial(byUDP, old).allocate(), s.dial(byUDP, old).allocate()
	exchange(t, browser, desktop)
	s.writeSecret("the second\nsecret")
	s.expectMetric(`vdi_turn_secret_changes_total{result="refused"}`, 1)
	s.writeSecret("the second secret")
	eventually.NoError(s.t, "the new secret is taken", func() error {
		relay, err := s.dial(byUDP, next).Allocate()
		if err == nil {
			_ = relay.Close()
		}
		return err
	})
	eventually.NoError(s.t, "the former secret is no longer taken", func() error {
		relay, err := s.dial(byUDP, old).Allocate()
		if err == nil {
			return fmt.Errorf("it is, at %s", relay.LocalAddr())
		}
		return nil
	})
	exchange(t, browser, desktop)
	s.expectMetric(`vdi_turn_secret_changes_total{result="applied"}`, 1)
	s.expectDiscreetLog("the second secret")
}

func TestARenewedCertificateIsServedWithoutCuttingAnybody(t *testing.T) {
	s := start(t, nil)
	c := credential(secret, "desktops/alice", time.Hour)
	first := s.dial(byTLS, c)
	require.Equal(t, "one", first.certificate, "the certificate")
	browser, desktop := first.allocate(), s.dial(byUDP, c).allocate()
	exchange(t, browser, desktop)
	expires, err := s.metric("vdi_turn_certificate_expiry_timestamp_seconds")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, expires, float64(time.Now().Unix()), "it expires")

	s.replace("tls/tls.crt", []byte("rubbish"))
	s.expectMetric(`vdi_turn_certificate_reloads_total{result="refused"}`, 1)
	assert.Equal(t, "one", s.dial(byTLS, c).certificate, "after rubbish the certificate, want the one before")
	s.writeCertificate("two")
	s.expectMetric(`vdi_turn_certificate_reloads_total{result="applied"}`, 1)
	eventually.NoError(s.t, "the new certificate is served", func() error {
		if now := s.dial(byTLS, c); now.certificate != "two" {
			return fmt.Errorf("the certificate is for %q", now.certificate)
		}
		return nil
	})
	exchange(t, browser, desktop)
	s.dial(byTLS, c).allocate()
}

func TestSIGTERMLetsOpenAllocationsEndAndTakesNoMoreVisitors(t *testing.T) {
	s := start(t, nil, "--grace-period=10m")
	c := credential(secret, "desktops/alice", time.Hour)
	browser, desktop := s.dial(byUDP, c).allocate(), s.dial(byUDP, c).allocate()
	s.expectMetric("vdi_turn_allocations", 2)
	s.signal(syscall.SIGTERM)
	s.expectMetric("vdi_turn_draining", 1)
	code, body, err := s.get("/readyz")
	require.NoError(t, err)
	require.Equal(t, 503, code)
	assert.Contains(t, body, "shutting down", "/readyz answers")
	code, body, err = s.get("/healthz")
	require.NoError(t, err)
	assert.Equal(t, 200, code, "/healthz answers %d %s (%v): kubelet would kill it", code, body, err)
	exchange(t, browser, desktop)
	require.NoError(t, browser.Close())
	require.NoError(t, desktop.Close())
	assert.NoError(t, s.end(), "it ended")
}

func TestTheGracePeriodBoundsTheEnd(t *testing.T) {
	s := start(t, nil, "--grace-period=10ms")
	s.dial(byUDP, credential(secret, "desktops/alice", time.Hour)).allocate()
	s.expectMetric("vdi_turn_allocations", 1)
	s.signal(syscall.SIGTERM)
	assert.NoError(t, s.end(), "it ended")
	assert.Contains(t, s.log.String(), "the grace period is over", "the log does not tell of the allocation that was cut")
}

func TestTheContainerEndsWithTurnserver(t *testing.T) {
	s := start(t, nil)
	raw, err := os.ReadFile(s.path("run/turnserver.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	assert.Error(t, s.end(), "it ended as if all were well")
	assert.Contains(t, s.log.String(), "turnserver ended by itself: signal: killed", "the log does not say why")
}

func TestClientsMeetAtAPublicAddressThatIsTranslated(t *testing.T) {
	const public = "203.0.113.9"
	s := start(t, func(c *coturn.Config) {
		c.External = coturn.External{Mode: coturn.ExternalFixed, Address: public}
	})
	c := credential(secret, "desktops/alice", time.Hour)
	browser, desktop := s.dial(byUDP, c).allocate(), s.dial(byTCP, c).allocate()
	at := address(t, browser)
	assert.Equal(t, public, at.Addr().String(), "the allocation is at %s", at)
	exchange(t, browser, desktop)
	s.expectAnnounced(public)
}

func TestThePublicAddressIsAskedOfASTUNServer(t *testing.T) {
	stun := stunServer(t)
	s := start(t, func(c *coturn.Config) { c.External = coturn.External{Mode: coturn.ExternalSTUN, STUNServer: stun} })
	s.expectAnnounced(serverIPv4.String())
}

func TestAnUnusableStartIsExplained(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(s *server)
		says  string
	}{
		"no secret":       {func(s *server) { require.NoError(s.t, os.Remove(s.path("secret"))) }, "read the shared secret"},
		"an empty secret": {func(s *server) { s.writeSecret("\n") }, "is empty"},
		"a foreign key": {func(s *server) {
			_, key := newKey(s.t)
			s.replace("tls/tls.key", key)
		}, "private key does not match public key"},
		"a port of the relay": {func(s *server) {
			s.replace("config.yaml", []byte("port: 49160\nrealm: vdi\nrelay: {minPort: 49160, maxPort: 49179}"))
		}, "must not be one of the relay ports"},
	} {
		t.Run(name, func(t *testing.T) {
			s := prepare(t)
			s.replace("config.yaml", []byte("port: 3478\ntlsPort: 5349\nrealm: vdi\nrelay: {minPort: 49160, maxPort: 49179}"))
			tc.spoil(s)
			s.run()
			assert.Error(t, s.end(), "it ended as if all were well")
			assert.Contains(t, s.log.String(), tc.says, "the log does not say")
		})
	}
}

func address(t *testing.T, conn net.PacketConn) netip.AddrPort {
	t.Helper()
	at, err := netip.ParseAddrPort(conn.LocalAddr().String())
	require.NoError(t, err)
	return at
}

func (s *server) expectAnnounced(want string) {
	s.t.Helper()
	code, body, err := s.get(turn.AddressPath)
	var a turn.Announcement
	if err == nil {
		err = json.Unmarshal([]byte(body), &a)
	}
	require.NoError(s.t, err, body)
	require.Equal(s.t, 200, code, body)
	assert.Equal(s.t, want, a.Address, body)
}

// stunServer runs one on the clients' side of the link.
func stunServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(clientIPv4, 0)))
	require.NoError(t, err)
	server, err := pion.NewServer(pion.ServerConfig{Realm: realm,
		AuthHandler:       func(string, string, net.Addr) ([]byte, bool) { return nil, false },
		PacketConnConfigs: []pion.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: &pion.RelayAddressGeneratorNone{Address: clientIPv4.String()}}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return conn.LocalAddr().String()
}

// whole is a credential's user name as it is sent, with its expiry.
var whole = regexp.MustCompile(`[0-9]{10}:desktops/`)

// expectDiscreetLog expects neither a secret nor a credential's whole user name.
func (s *server) expectDiscreetLog(secrets ...string) {
	s.t.Helper()
	log := s.log.String()
	assert.Contains(s.t, log, "desktops/alice", "the log does not say whose allocations there were")
	assert.Empty(s.t, whole.FindString(log), "the log holds the user name")
	for _, text := range append(secrets, secret, strings.ReplaceAll(secret, "'", "''")) {
		assert.NotContains(s.t, log, text, "the log holds the secret")
	}
	raw, err := os.ReadFile(s.path("run/turnserver.conf"))
	require.NoError(s.t, err)
	assert.NotContains(s.t, string(raw), secret, "turnserver.conf holds the secret, or cannot be read")
}
