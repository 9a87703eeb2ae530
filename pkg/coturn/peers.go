package coturn

import (
	"errors"
	"net/netip"
	"strings"
)

// peerRanges turns an address, a network in CIDR notation, or a range a-b of IPv4
// addresses into what turnserver's denied-peer-ip and allowed-peer-ip take: "a" or "a-b".
//
// turnserver 4.6.1 compares addresses in two ways that must be minded
// (ns_turn_ioaddr.c, addr_less_eq and ioa_addr_in_range). IPv6 addresses are compared
// byte by byte without carrying over, so that only ranges that are a network are what
// they say. And a range that begins with "::" takes every IPv4 address in, so that a
// network that begins there is written as one range for each of its bytes that may be
// above zero; "::" itself turnserver refuses anyway, and no line is needed. As elsewhere in
// Kubernetes, bits behind a network's length are ignored.
func peerRanges(peer string) ([]string, error) {
	if a, err := netip.ParseAddr(peer); err == nil {
		if a.Zone() != "" {
			return nil, errors.New("must have no zone")
		}
		return peerNetwork(netip.PrefixFrom(a, a.BitLen())), nil
	}
	if n, err := netip.ParsePrefix(peer); err == nil {
		return peerNetwork(n.Masked()), nil
	}
	from, to, ok := strings.Cut(peer, "-")
	a, errA := netip.ParseAddr(from)
	b, errB := netip.ParseAddr(to)
	switch {
	case !ok || errA != nil || errB != nil:
		return nil, errors.New("must be an IP address, a network such as 10.0.0.0/8, or a range a-b of IPv4 addresses")
	case !a.Is4() || !b.Is4():
		return nil, errors.New("IPv6 ranges must be networks such as fd00::/8: turnserver compares others wrongly")
	case b.Less(a):
		return nil, errors.New("ends before it begins")
	}
	return []string{peer}, nil
}

func peerNetwork(n netip.Prefix) []string {
	first := n.Addr()
	last := first.AsSlice()
	for bit := n.Bits(); bit < first.BitLen(); bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	to, _ := netip.AddrFromSlice(last)
	if first.Is4() || first != netip.IPv6Unspecified() {
		return []string{rangeText(first, to)}
	}
	if n.IsSingleIP() {
		return nil
	}
	var ranges []string
	for i, most := range last {
		if most == 0 {
			continue
		}
		var from [16]byte
		from[i] = 1
		ranges = append(ranges, rangeText(netip.AddrFrom16(from), to))
	}
	return ranges
}

// rangeText writes addresses as turnserver reads them: its parser is the system's, which
// knows both forms of an IPv4-mapped address.
func rangeText(from, to netip.Addr) string {
	if from == to {
		return from.String()
	}
	return from.String() + "-" + to.String()
}
