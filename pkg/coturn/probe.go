package coturn

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun"
)

const (
	// stunTimeout is how long a STUN server may take to answer, and stunTries how often it
	// is asked in that time: UDP may lose a packet.
	stunTimeout = 3 * time.Second
	stunTries   = 3
	// longestSTUN message, in bytes, that comes back: a binding's answer has about a hundred.
	longestSTUN = 1500
)

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
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	for range stunTries {
		if _, err = conn.Write(request.Raw); err != nil {
			break
		}
		_ = conn.SetReadDeadline(time.Now().Add(stunTimeout / stunTries))
		var seen netip.Addr
		if seen, err = readBinding(conn, request); err == nil {
			return seen, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return netip.Addr{}, fmt.Errorf("STUN server %s does not answer by UDP: %w", server, err)
}

func readBinding(conn net.Conn, request *stun.Message) (netip.Addr, error) {
	buffer := make([]byte, longestSTUN)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return netip.Addr{}, err
		}
		answer := &stun.Message{Raw: append([]byte(nil), buffer[:n]...)}
		if answer.Decode() != nil || answer.TransactionID != request.TransactionID {
			continue
		}
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(answer); err != nil {
			return netip.Addr{}, fmt.Errorf("it answered %s: %w", answer.Type, err)
		}
		seen, _ := netip.AddrFromSlice(mapped.IP)
		return seen.Unmap(), nil
	}
}
