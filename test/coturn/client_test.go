//go:build coturn

package coturn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/turn"
)

// The ways to the server.
const (
	byUDP = "UDP"
	byTCP = "TCP"
	byTLS = "TLS"
)

// client is somebody outside the server's network.
type client struct {
	t *testing.T
	*pion.Client
	// certificate is the name in the one that the server showed.
	certificate string
}

func credential(secret, subject string, ttl time.Duration) turn.Credential {
	return turn.Mint([]byte(secret), subject, time.Now(), ttl)
}

// dial reaches the server without asking anything yet.
func (s *server) dial(by string, c turn.Credential) *client {
	s.t.Helper()
	var conn net.PacketConn
	made := &client{t: s.t}
	at := netip.AddrPortFrom(s.address, port)
	switch by {
	case byUDP:
		from := clientIPv4
		if s.address.Is6() {
			from = clientIPv6
		}
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
		require.NoError(s.t, err)
		conn = udp
	case byTCP:
		tcp, err := net.DialTimeout("tcp", at.String(), patience)
		require.NoError(s.t, err)
		conn = pion.NewSTUNConn(tcp)
	case byTLS:
		secure, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", netip.AddrPortFrom(s.address, tlsPort).String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(s.t, err)
		made.certificate = secure.ConnectionState().PeerCertificates[0].Subject.CommonName
		conn = pion.NewSTUNConn(secure)
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	var err error
	made.Client, err = pion.NewClient(&pion.ClientConfig{STUNServerAddr: at.String(), TURNServerAddr: at.String(), Conn: conn,
		Username: c.Username, Password: c.Password, Realm: realm, LoggerFactory: quiet})
	require.NoError(s.t, err)
	require.NoError(s.t, made.Listen())
	s.t.Cleanup(func() { made.Close(); _ = conn.Close() })
	return made
}

// allocate opens an allocation that must succeed.
func (c *client) allocate() net.PacketConn {
	c.t.Helper()
	relay, err := c.Allocate()
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = relay.Close() })
	return relay
}

// refusedAllocation expects a refusal with this code.
func (c *client) refusedAllocation(code int) {
	c.t.Helper()
	relay, err := c.Allocate()
	if err == nil {
		_ = relay.Close()
	}
	expectRefusal(c.t, err, code)
}

func expectRefusal(t *testing.T, err error, code int) {
	t.Helper()
	assert.ErrorContains(t, err, fmt.Sprintf("error %d", code), "want a refusal with %d", code)
}

// exchange sends a message each way between two allocations.
func exchange(t *testing.T, a, b net.PacketConn) {
	t.Helper()
	for _, way := range [][2]net.PacketConn{{a, b}, {b, a}} {
		require.NoError(t, deliver(way[0], way[1]))
	}
}

// deliver sends from one allocation to another until it arrives: what comes before the
// other side has given its permission is dropped.
func deliver(from, to net.PacketConn) error {
	const text = "over the relay"
	// The permission of who is sent to.
	if _, err := to.WriteTo([]byte("permit"), from.LocalAddr()); err != nil {
		return err
	}
	buffer := make([]byte, 100)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := from.WriteTo([]byte(text), to.LocalAddr()); err != nil {
			return err
		}
		_ = to.SetReadDeadline(time.Now().Add(time.Second))
		n, sender, err := to.ReadFrom(buffer)
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout(), err == nil && string(buffer[:n]) != text:
		case err != nil:
			return err
		default:
			if sender.String() != from.LocalAddr().String() {
				return fmt.Errorf("it came from %s, want %s", sender, from.LocalAddr())
			}
			return nil
		}
	}
	return fmt.Errorf("nothing passed from %s to %s", from.LocalAddr(), to.LocalAddr())
}
