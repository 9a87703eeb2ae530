package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	// lookUpTimeout bounds one lookup in the cluster's DNS.
	lookUpTimeout = 2 * time.Second
	// maxPeers bounds the activators that get announcements; an installation has a few.
	maxPeers = 64
	// clusterDomain is where cluster DNS puts Services by default.
	// With the dot at the end one query is enough.
	clusterDomain = ".cluster.local."
)

// peer is one activator's internal address.
type peer = netip.AddrPort

// ByService finds the activators by a Service, host:port, that has the address of each replica.
// A cluster whose domain is another one is searched as resolv.conf says.
func ByService(service string) func(context.Context) ([]netip.AddrPort, error) {
	return func(ctx context.Context) ([]netip.AddrPort, error) {
		host, portText, err := net.SplitHostPort(service)
		if err != nil {
			return nil, fmt.Errorf("activators %q: must be host:port: %w", service, err)
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("activators %q: not a port: %w", service, err)
		}
		if only, err := netip.ParseAddr(host); err == nil {
			return []peer{netip.AddrPortFrom(only, uint16(port))}, nil
		}
		ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host+clusterDomain)
		var none *net.DNSError
		if errors.As(err, &none) && none.IsNotFound {
			addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
		if err != nil {
			return nil, fmt.Errorf("find activators: %w", err)
		}
		peers := make([]peer, 0, len(addrs))
		for _, a := range addrs[:min(len(addrs), maxPeers)] {
			peers = append(peers, netip.AddrPortFrom(a.Unmap(), uint16(port)))
		}
		return peers, nil
	}
}

// addressTowards is the address that this pod has for a peer. Connecting a UDP socket
// sends nothing.
func addressTowards(p peer) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("no way to %s: %w", p.Addr(), err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
