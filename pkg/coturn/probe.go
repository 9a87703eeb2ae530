package coturn

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun"

	"github.com/org/vdi-operator/pkg/stunclient"
)

// stunTimeout is how long a STUN server may take to answer.
const stunTimeout = 3 * time.Second

// askSTUN asks a STUN server which address it sees, from the address local (which may be
// the zero Addr).
func askSTUN(ctx context.Context, local netip.Addr, server string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, stunTimeout)
	defer cancel()
	var d net.Dialer
	if local.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	conn, err := d.DialContext(ctx, "udp", server)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask STUN server %s: %w", server, err)
	}
	defer func() { _ = conn.Close() }()
	answer, err := stunclient.Ask(ctx, conn, stun.MethodBinding)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("STUN server %s does not answer by UDP: %w", server, err)
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(answer); err != nil {
		return netip.Addr{}, fmt.Errorf("STUN server %s answered %s: %w", server, answer.Type, err)
	}
	seen, _ := netip.AddrFromSlice(mapped.IP)
	return seen.Unmap(), nil
}
