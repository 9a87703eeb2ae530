package listener

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of those whose X-Forwarded-For is believed, such as an
// ingress controller's.
type Proxies []netip.Prefix

// ParseProxies reads networks in CIDR notation.
func ParseProxies(cidrs []string) (Proxies, error) {
	var p Proxies
	for _, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, err
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

// Trusted says that an address is a proxy's.
func (p Proxies) Trusted(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(a) })
}

// Client is the address that a request comes from: the connection's peer, or, where
// that is a trusted proxy, the right-most address of X-Forwarded-For that is not one.
// Each proxy appends the peer it has seen, so the client itself may have written what
// stands left of that one. false means that no trusted proxy names a client: the address
// is a proxy's own then, and stands for many people.
func (p Proxies) Client(r *http.Request) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client := peer.Addr().Unmap().WithZone("")
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for p.Trusted(client) {
		var hop string
		if i := strings.LastIndexByte(hops, ','); i >= 0 {
			hops, hop = hops[:i], hops[i+1:]
		} else {
			hops, hop = "", hops
		}
		addr, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return client, false
		}
		client = addr
	}
	return client, true
}

// parseHop reads an address with or without a port.
func parseHop(hop string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	if with, err := netip.ParseAddrPort(hop); err == nil {
		return with.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// networkBits6 is the network that a single subscriber gets with IPv6 at least
// (RFC 6177): who has one has all its addresses.
const networkBits6 = 64

// Network is what is counted as one client: an IPv4 address, or an IPv6 network.
func Network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = networkBits6
	}
	prefix, _ := a.Prefix(bits) // there are as many
	return prefix
}
