//go:build coturn

package coturn

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// familyIPv6 is the value of REQUESTED-ADDRESS-FAMILY (RFC 8656, 18.8), four bytes long.
var familyIPv6 = stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{2, 0, 0, 0}}

// transportUDP is the value of REQUESTED-TRANSPORT for UDP (RFC 8656, 18.7).
var transportUDP = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

// rawClient asks what pion's client, which knows IPv4 alone, cannot.
type rawClient struct {
	t     *testing.T
	conn  net.Conn
	login []stun.Setter
}

// ask returns the answer's error code, 0 for success.
func (c *rawClient) ask(method stun.Method, attributes ...stun.Setter) (int, *stun.Message) {
	c.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	request, err := stun.Build(append(setters, c.login...)...)
	require.NoError(c.t, err)
	_, err = c.conn.Write(request.Raw)
	require.NoError(c.t, err)
	buffer := make([]byte, 1500)
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		n, err := c.conn.Read(buffer)
		require.NoError(c.t, err)
		answer := &stun.Message{Raw: append([]byte(nil), buffer[:n]...)}
		require.NoError(c.t, answer.Decode())
		if answer.TransactionID != request.TransactionID {
			continue
		}
		var code stun.ErrorCodeAttribute
		if answer.Type.Class == stun.ClassErrorResponse {
			require.NoError(c.t, code.GetFrom(answer))
		}
		return int(code.Code), answer
	}
}

// peerAddress writes an address as it is: net.IP would make IPv4 of a mapped one.
func peerAddress(a netip.Addr, id [stun.TransactionIDSize]byte) stun.RawAttribute {
	value := []byte{0, 2, 0x21, 0x12 ^ 80}
	key := append([]byte{0x21, 0x12, 0xa4, 0x42}, id[:]...)
	for i, b := range a.As16() {
		value = append(value, b^key[i])
	}
	return stun.RawAttribute{Type: stun.AttrXORPeerAddress, Value: value}
}

// permit asks for the permission to send to a peer.
func (c *rawClient) permit(peer netip.Addr) int {
	c.t.Helper()
	id := stun.NewTransactionID()
	code, _ := c.ask(stun.MethodCreatePermission, stun.NewTransactionIDSetter(id), peerAddress(peer, id))
	return code
}

func TestNobodyReachesTheClusterByIPv6(t *testing.T) {
	s := prepare(t)
	s.address = serverIPv6
	s.start(nil)
	conn, err := net.Dial("udp", netip.AddrPortFrom(serverIPv6, port).String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	c := &rawClient{t: t, conn: conn}
	code, challenge := c.ask(stun.MethodAllocate, transportUDP)
	require.Equal(t, 401, code, "the first answer, want a challenge")
	var nonce stun.Nonce
	require.NoError(t, nonce.GetFrom(challenge))
	user := credential(secret, "desktops/alice", time.Hour)
	c.login = []stun.Setter{stun.NewUsername(user.Username), stun.NewRealm(realm), nonce,
		stun.NewLongTermIntegrity(user.Username, realm, user.Password), stun.Fingerprint}
	if code, _ := c.ask(stun.MethodAllocate, transportUDP, familyIPv6); code != 0 {
		t.Fatalf("the allocation is refused with %d", code)
	}
	for _, peer := range []string{"fd00:ec2::254", "fd00:77::2", "fe80::1", "febf::1", "fec0::1", "ff02::1", "::", "::1", "::7f00:1", "::100", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
		"64:ff9b::a9fe:a9fe", "64:ff9b::a00:0", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a9fe:a9fe::1"} {
		assert.Equal(t, 403, c.permit(netip.MustParseAddr(peer)), "%s, want 403", peer)
	}
	for what, peer := range map[string]string{"a browser's public address": "2a00:1450:4001:8::1", "the server's own": serverIPv6.String()} {
		assert.Equal(t, 0, c.permit(netip.MustParseAddr(peer)), "%s is refused", what)
	}
	// Without a family in the request, the server's own.
	second, err := net.Dial("udp", netip.AddrPortFrom(serverIPv6, port).String())
	require.NoError(t, err)
	defer func() { _ = second.Close() }()
	other := &rawClient{t: t, conn: second}
	_, challenge = other.ask(stun.MethodAllocate, transportUDP)
	require.NoError(t, nonce.GetFrom(challenge))
	other.login = append([]stun.Setter{c.login[0], c.login[1], nonce}, c.login[3:]...)
	code, answer := other.ask(stun.MethodAllocate, transportUDP)
	var at stun.XORMappedAddress
	require.Equal(t, 0, code)
	require.NoError(t, at.GetFromAs(answer, stun.AttrXORRelayedAddress))
	assert.Equal(t, serverIPv6.String(), at.IP.String(), "code, at %s, want the server's address", at)
}
